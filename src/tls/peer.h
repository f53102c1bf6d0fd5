/* peer.h - what the certificates of the other side say, for people to read. */
#pragma once
#include "base/buf.h"
#include "tls/session.h"

enum { PEER_TEXT = 256, PEER_NAMES = 2048 };

struct peer_certificate {
    char    subject[PEER_TEXT], issuer[PEER_TEXT];      /* "CN=..., O=..." */
    char    names[PEER_NAMES];      /* DNS names it is good for, a blank between two */
    char    key[64];                /* "RSA 2048 bits" */
    char    signature[64];          /* "sha256WithRSAEncryption" */
    char    sha256[65];             /* of the whole certificate, in hexadecimal */
    int64_t begins, ends;           /* wall clock, ms */
};

/* peer_certificate - number i of what they sent (0: their own); false: there is none */
bool peer_certificate(const struct tls_session *t, unsigned i, struct peer_certificate *c);
