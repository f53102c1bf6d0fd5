/* received.h - the trace field that we put in front of every message. */
#pragma once
#include "base/buf.h"
#include "base/ip.h"

struct received {
    struct slice helo;      /* what the client called itself; empty: nothing */
    struct ip    client;    /* family 0: not over the network */
    struct slice hostname;  /* this host */
    struct slice protocol;  /* "SMTP", "ESMTP", ... (RFC 3848) */
    uint64_t     id;        /* of the message */
    struct slice rcpt;      /* its only recipient; empty: more than one, none is named */
    int64_t      now;       /* wall clock ms */
};

/* received_write - append the field with its CRLF, folded (RFC 5321 §4.4). What
 * the client said cannot end the field or a comment in it. False: out is full. */
bool received_write(const struct received *r, struct buf *out);
