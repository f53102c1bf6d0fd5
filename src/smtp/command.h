/* command.h - a command line as a typed value. No I/O, no policy. */
#pragma once
#include "smtp/address.h"

/* command_split - "VERB rest"; args without leading and trailing spaces */
void command_split(struct slice line, struct slice *verb, struct slice *args);

enum body_kind { BODY_7BIT, BODY_8BITMIME };

enum param_error {
    PARAM_OK = 0,
    PARAM_SYNTAX,           /* 501: malformed, repeated */
    PARAM_UNKNOWN,          /* 555 */
    PARAM_VALUE,            /* 504 or 501: known parameter, impossible value */
};

/* MAIL FROM:<reverse-path> [SP parameters] (§4.1.1.2) */
struct mail_command {
    struct mailbox sender;
    uint64_t       size;        /* SIZE= (RFC 1870); 0: not given */
    enum body_kind body;        /* BODY= (RFC 6152) */
    bool           has_body;
};

/* RCPT TO:<forward-path> [SP parameters] (§4.1.1.3) */
struct rcpt_command {
    struct mailbox rcpt;
};

/* Which parameters this server offers now; others are PARAM_UNKNOWN. */
enum param_offer { OFFER_SIZE = 1 << 0, OFFER_8BITMIME = 1 << 1 };

enum command_error {
    COMMAND_OK = 0,
    COMMAND_SYNTAX,             /* no FROM:<, no TO:< */
    COMMAND_ADDRESS,            /* see ->address_error */
    COMMAND_PARAM,              /* see ->param_error */
};

struct command_problem {
    enum address_error address;
    enum param_error   param;
    struct slice       where;   /* the offending part, for the log */
};

/* mail_parse, rcpt_parse - all of `args`; texts live in the arena */
enum command_error mail_parse(struct slice args, unsigned offers, struct arena *a,
                              struct mail_command *m, struct command_problem *why);
enum command_error rcpt_parse(struct slice args, unsigned offers, struct arena *a,
                              struct rcpt_command *r, struct command_problem *why);

/* A command line out of a stream: strict CRLF, bounded. */
enum line_result {
    LINE_MORE,      /* not yet whole */
    LINE_OK,        /* *line is it, without CRLF; *used bytes are consumed */
    LINE_BAD,       /* NUL, bare CR or bare LF in it: 500, counts as an error (A020, A032) */
    LINE_LONG,      /* over the limit; was discarded up to its CRLF: one 500 (A030) */
    LINE_ENDLESS,   /* discarded 64 KiB without an end: 421 and close */
};
struct line_reader {
    size_t scanned;     /* bytes of the pending input already looked at */
    size_t dropped;     /* bytes discarded of a line that is too long */
    bool   discarding;
};
/* line_next - take one line from the front of `in`. Consumes *used bytes in every
 * case (0 for LINE_MORE unless discarding). max counts CRLF. */
enum line_result line_next(struct line_reader *r, struct slice in, size_t max,
                           struct slice *line, size_t *used);
