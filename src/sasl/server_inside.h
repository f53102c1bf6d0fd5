/* server_inside.h - one exchange of the server, for the two files that make it. */
#pragma once
#include "sasl/server.h"
#include "sasl/session.h"

enum { SECRET_MAX = ACCOUNTS_LINE_MAX };

enum stage { STAGE_NEW, STAGE_ASKED, STAGE_PROVED, STAGE_SLOW, STAGE_OVER };

struct sasl_server {
    struct asked        asked;          /* first: see session.h */
    struct sasl        *sasl;
    enum sasl_mechanism mechanism;
    Gsasl_session      *session;        /* or, for GSSAPI: */
    struct kerberos_login *kerberos;
    enum stage          stage;
    bool                known;          /* `user` has an account */
    bool                looked;         /* accounts were asked for `user` */
    bool                may_be;         /* authzid is nobody else */
    bool                simple;         /* a password was brought (PLAIN, LOGIN) */
    int                 checked;        /* what secret_check said */
    char                user[SASL_NAME_MAX + 1];
    char                password[SASL_PASSWORD_MAX + 1];
    char                texts[SECRET_MAX];  /* the account's, or the stand-in's */
    struct secret       secret;             /* into texts */
};

/* server_take_name - prepare a name into s->user; what cannot be prepared is nobody: "" */
void server_take_name(struct sasl_server *s, const char *name);

/* server_authzid_ok - nobody may act for another: empty (or NULL), or the same name */
bool server_authzid_ok(const struct sasl_server *s, const char *authzid);

/* server_answer - what libgsasl asks, from the account; or from the stand-in of a name that
 * nobody has */
int server_answer(struct asked *owner, Gsasl_session *session, Gsasl_property property);
