/* inside.h - what stream.c and stream_tls.c know about each other. */
#pragma once
#include "net/stream.h"

/* --- stream.c, for TLS */

/* input_room - where new plain text goes, behind what the owner left, and how much */
char *input_room(struct stream *s, size_t *room);

/* input_show - tell the owner of n new bytes there. False: nothing more may be
 * shown now (closed, finishing, failed); s->tls may be gone. */
bool input_show(struct stream *s, size_t n);

/* stream_fail - tell the owner once; afterwards only closing is left */
void stream_fail(struct stream *s, int status);

/* stream_ended - the other side sends no more: tell the owner */
void stream_ended(struct stream *s);

/* stream_send - give the bytes to the system; what it does not take at once is
 * copied and goes as it does. Not while s->writing. False: no memory. */
bool stream_send(struct stream *s, const char *p, size_t n);

/* reading_set - begin or stop reading from the socket, as things are now */
void reading_set(struct stream *s);

/* --- stream_tls.c, for streams */

void tls_room(struct stream *s, uv_buf_t *room);        /* where to read from the socket to */
void tls_arrived(struct stream *s, size_t n);           /* so much has been read */
void tls_ended(struct stream *s);                       /* and there is no more */
bool tls_wants(const struct stream *s);                 /* may the socket be read? */
void tls_kick(struct stream *s);        /* what waits inside is shown, from the loop */
void tls_flush(struct stream *s);
bool tls_is_secure(const struct stream *s);
size_t tls_pending(const struct stream *s);
void tls_farewell(struct stream *s);                    /* close_notify, once */
const char *tls_error(const struct stream *s);          /* "" if it is not TLS that failed */
void tls_forget(struct stream *s);                      /* the stream is being closed */
