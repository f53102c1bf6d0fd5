/* request.h - one line from a person's client, as a typed value.
 *
 *     {"do":"queue.list","sender":"*@example.org","older":3600000,"limit":20}
 *
 * Unknown names are refused, so that a mistyped filter never means "all".
 */
#pragma once
#include <jansson.h>
#include "ipc/messages.h"

enum { REQUEST_MAX = 60 << 10, REQUEST_WHY = 200 };

enum request_kind { REQUEST_QUERY, REQUEST_WHOIS, REQUEST_STATUS, REQUEST_RELOAD, REQUEST_STOP };

struct request {
    enum request_kind kind;
    const char       *name;     /* as in the table, for the log */
    struct msg_query  query;    /* ticket left 0; texts point into root */
    json_t           *root;
};

/* request_read - parse a line. False and a reason in `why`; nothing to forget then. */
bool request_read(struct request *r, struct slice line, char why[REQUEST_WHY]);
void request_forget(struct request *r);
