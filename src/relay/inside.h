/* inside.h - what the files of the client session share, and nobody else uses. */
#pragma once
#include "relay/client.h"

/* --- client.c: life, and what goes out */

/* enter - wait in this stage, with its deadline */
void enter(struct client *c, enum stage stage);

/* command - put one line (with its CRLF) into `out`; too little room is found out later */
void command(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* command_log - the line from `at` of `out` to its end has just been put there */
void command_log(const struct client *c, size_t at);

/* command_secret - as command, but the log shows only `shown` */
void command_secret(struct client *c, const char *shown, struct slice line);

/* session_lost - a reply that ends the session (421, one that makes no sense) */
void session_lost(struct client *c, const struct reply_in *r, const struct verdict *v);

/* mail_end - the transaction is over; IDLE */
void mail_end(struct client *c);

static inline bool host_has(const struct client *c, unsigned what)
{
    return (c->offers.flags & what) != 0;
}

static inline bool pipelines(const struct client *c)
{
    return host_has(c, HOST_PIPELINING);
}

/* rcpt_after - the first recipient from `at` on that belongs to this transaction */
size_t rcpt_after(const struct client *c, size_t at);

/* --- fates.c: what becomes of recipients */

/* An outcome as all recipients share it that get it. */
struct outcome_words {
    enum fate    fate;
    unsigned     code;
    const char  *status;
    struct slice text;
};

struct outcome_words words_of_reply(struct client *c, const struct reply_in *r,
                                    const struct verdict *v);
void decide(struct client *c, struct client_rcpt *rcpt, const struct outcome_words *w);
void decide_all(struct client *c, const struct outcome_words *w);

/* decide_never - our own reason why this message cannot go to this host, nor any other */
void decide_never(struct client *c, const char *status, const char *why);

/* decide_unknown - after the end of the text nobody knows whether the host has it */
void decide_unknown(struct client *c);

/* mail_unfit - this host lacks something that the message needs */
void mail_unfit(struct client *c, const struct unfit *why);

/* --- needs.c, params.c: what a message asks of a host */

/* needs_met - choose what is sent and to whom. False: nothing can be, it is over. */
bool needs_met(struct client *c);

/* xtext_put - RFC 3461 §4: what is no printable ASCII, "+" or "=" as "+XX" */
void xtext_put(struct buf *out, struct slice text);

void put_mail(struct client *c);
void put_rcpt(struct client *c, size_t at);

/* --- forward.c, blob.c, text.c */

/* forward_wanted - are there attributes for XFORWARD? forward_put - its next line;
 * false: there is none */
bool forward_wanted(const struct client *c);
bool forward_put(struct client *c);

bool blob_of(const struct client_mail *m, uint32_t *number, struct slice *blob);
bool blob_wanted(struct client *c);
void blob_ask(struct client *c);
void blob_fill(struct client *c);

void text_begin(struct client *c);      /* DATA, or the first BDAT */
void text_fill(struct client *c);
void text_chunk(struct client *c);      /* the next BDAT, and stage BODY */

/* --- replies, by stage */

typedef void reply_f(struct client *c, const struct reply_in *r, const struct verdict *v);

/* hello.c */
reply_f heard_greeting, heard_ehlo, heard_helo, heard_starttls;
/* login.c */
reply_f heard_auth;
void login_begin(struct client *c);
/* transaction.c */
reply_f heard_rset, heard_xforward, heard_mail, heard_rcpt, heard_xexch50, heard_blobbed, heard_data, heard_body,
        heard_chunk, heard_dot;
