/* auth.h - AUTH (RFC 4954) and X-EXPS, its older name: a conversation in which the
 * session carries lines between the client and whoever knows the secrets.
 *
 *     AUTH PLAIN AGEAYg==          -> world->login          235, 535 ... or 334
 *     dGVzdA==                     -> world->login_step     the same
 *     *                            -> world->login_cancel   501
 *
 * Both names are one state: after a success both are out of order. What is in the
 * lines is never logged.
 */
#pragma once
#include "smtpd/verbs.h"

verb_f on_auth;

/* auth_words - the mechanisms that this session may use now, for EHLO; false: none */
bool auth_words(const struct session *s, struct buf *out);

/* auth_login - may LOGIN be used? Old clients look for AUTH=LOGIN. */
bool auth_login(const struct session *s);

/* Answers of the world to login and login_step, never from inside. */
void session_login_say(struct session *s, uint64_t ticket, struct slice data);
void session_login_done(struct session *s, uint64_t ticket, enum fate fate, unsigned why,
                        struct slice account);
