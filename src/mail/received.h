/* received.h - the trace field that we put in front of every message. */
#pragma once
#include "base/buf.h"
#include "base/ip.h"

/* How a message came: which of the registered protocol names it has. */
enum received_way {
    RECEIVED_ESMTP = 1 << 0,    /* EHLO, not HELO */
    RECEIVED_LMTP  = 1 << 1,    /* LHLO */
    RECEIVED_TLS   = 1 << 2,    /* STARTTLS or TLS from the beginning */
    RECEIVED_AUTH  = 1 << 3,    /* authenticated */
    RECEIVED_UTF8  = 1 << 4,    /* SMTPUTF8 on this message's MAIL */
};

/* received_protocol - "SMTP", "ESMTPSA", "UTF8LMTPS" ... (RFC 3848, RFC 6531 §4.3).
 * HELO knows neither AUTH nor UTF8. */
struct slice received_protocol(unsigned way);

/* What is empty or zero is not written. Under XCLIENT and PROXY the client is the
 * one that they name. */
struct received {
    struct slice helo;      /* what the client called itself; empty: nothing */
    struct ip    client;    /* family 0: not over the network */
    struct slice hostname;  /* this host */
    struct slice protocol;  /* received_protocol() */
    uint64_t     id;        /* of the message */
    struct slice rcpt;      /* its only recipient; empty: more than one, none is named */
    int64_t      now;       /* wall clock ms */
    struct slice name;      /* the client's verified DNS name */
    struct slice tls;       /* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384" */
    bool         requiretls;/* MAIL had REQUIRETLS (RFC 8689) */
    struct slice solicit;   /* MAIL's SOLICIT (RFC 3865 §2.6) */
    bool         prioritized;   /* MAIL had MT-PRIORITY: write `priority` (RFC 6710 §7) */
    int          priority;  /* -9 to 9 */
    struct slice note;      /* words of ours, as a comment: "XEXCH50 dropped" */
};

/* received_write - append the field with its CRLF, folded (RFC 5321 §4.4). What
 * the client said cannot end the field or a comment in it. UTF-8 stays only when
 * the protocol is one of UTF8 (RFC 6531 §3.7.3). False: out is full. */
bool received_write(const struct received *r, struct buf *out);
