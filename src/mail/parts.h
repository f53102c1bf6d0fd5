/* parts.h - where each part of a message begins and ends.
 *
 * One pass over the lines (CRLF alone ends one), with a stack of what is open. A
 * delimiter line is "--boundary", with "--" behind it or not, and blanks: a line
 * that only begins so, a boundary that is used twice, a field given twice or a
 * header that does not end in an empty line leave doubt about where a part
 * ends, and the whole message counts as broken. A delimiter of an outer part
 * ends the inner ones; a multipart may lack its last delimiter (RFC 2046 §5.1.2).
 */
#pragma once
#include "mail/mime.h"

enum part_kind {
    PART_LEAF,
    PART_MULTIPART,     /* its children follow */
    PART_MESSAGE,       /* message/rfc822: its one child follows */
    PART_SIGNED,        /* multipart/signed, multipart/encrypted: not looked into */
    PART_SEALED,        /* other message types, which may not be encoded; composite parts that are */
};

/* Offsets into the message. Parts stand in the order of their beginnings. */
struct part {
    size_t   start, body, end;      /* header: start .. body, with the empty line */
    size_t   type_end;              /* behind the Content-Type field; 0: there is none */
    size_t   named, named_end;      /* the Content-Transfer-Encoding field; 0, 0: none */
    uint32_t parent;                /* index; its own for the first */
    unsigned char kind;             /* enum part_kind */
    unsigned char encoding;         /* enum mime_encoding */
    bool     text;                  /* lines that people read: quoted-printable may suit */
    bool     message;               /* has the header of a message, not just of a part */
    bool     mime;                  /* ... and MIME-Version in it */
    bool     changed;               /* for the user of the list */
    unsigned char becomes;          /* the same: enum mime_encoding */
};

struct parts {
    struct part *list;
    uint32_t     n, room;
    uint32_t     max;               /* parts at most */
    unsigned     max_depth;         /* at most PARTS_DEPTH */
};

enum { PARTS_DEPTH = 100 };

enum parts_result {
    PARTS_OK,
    PARTS_BROKEN,
    PARTS_MANY,         /* more than max, deeper than max_depth */
    PARTS_MEMORY,
};

/* parts_find - fill p (zero but for its limits); parts_free - in every case */
enum parts_result parts_find(struct slice message, struct parts *p);
void parts_free(struct parts *p);
