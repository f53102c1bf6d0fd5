/* control.h - the control socket and the people on it.
 *
 * One JSON object a line in each direction. A request is answered by lines
 * {"row":{...}} and a last line {"done":true,"count":n,...} or {"error":"..."}.
 * A client has one request under way; it is not read from meanwhile. Whoever
 * writes nonsense, sits idle, or does not read its answers, loses its own
 * connection and nothing else happens (A206).
 */
#pragma once
#include "base/list.h"
#include "console/request.h"
#include "net/listener.h"
#include "net/stream.h"

struct client {
    struct list   link;
    struct stream stream;
    struct control *control;
    uint64_t      ticket;       /* of the request under way; 0: none */
    enum request_kind kind;
    unsigned      left;         /* status: reports not yet here */
    uint64_t      rows;
    bool          looking;      /* its input is being gone through */
    int64_t       active;       /* loop time of the last progress */
    unsigned      uid, pid;     /* who it is */
};

/* Somebody has asked: send it on. client->ticket is set. */
typedef void control_ask_f(struct control *ctl, struct client *c, struct request *r);

struct control {
    uv_loop_t     *loop;
    control_ask_f *ask;
    struct list    clients;
    unsigned       nclients;
    uint64_t       last_ticket;
    unsigned       owner;       /* the uid that may ask, besides root */
    struct listener listener;
    bool           listening;
    bool           complained;  /* about a path that cannot be had */
    char           path[108];   /* sun_path's size */
    uv_timer_t     sweep;
};

/* control_begin - be ready, and try to open the socket at once; a path that is
 * in use by a living server, or cannot be bound, is tried again each second */
bool control_begin(struct control *ctl, uv_loop_t *loop, struct slice path, control_ask_f *ask);

/* control_move - the configuration names another path now */
void control_move(struct control *ctl, struct slice path);

/* control_end - take no more clients, remove the socket. Then control_idle():
 * is everything said that was to be said? */
void control_end(struct control *ctl);
bool control_idle(const struct control *ctl);

/* control_client - who waits for this ticket, or NULL: it has gone */
struct client *control_client(struct control *ctl, uint64_t ticket);

/* client_row - one row; `json` is the text of one object */
void client_row(struct client *c, struct slice json);

/* client_done - the last line: count, and `extra` (NULL or members like "\"missing\":1") */
void client_done(struct client *c, uint64_t count, const char *extra);
void client_error(struct client *c, struct slice text);
