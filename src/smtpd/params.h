/* params.h - what the parameters of MAIL and RCPT ask for, judged and made part of an
 * envelope.
 */
#pragma once
#include "smtpd/session.h"

/* params_offers - the parameters that this client may use now (enum param_offer): of
 * MAIL, of SEND, SOML and SAML (RFC 821 knows none; SIZE and BODY do no harm), of RCPT */
unsigned params_offers_mail(const struct session *s);
unsigned params_offers_terminal(const struct session *s);
unsigned params_offers_rcpt(const struct session *s);

/* params_mail - what MAIL asks for. REPLY_OK, or the refusal. Texts of *w are in the
 * command or in the arena. */
enum reply_id params_mail(const struct session *s, const struct mail_command *m,
                          struct arena *a, struct wishes *w);

/* params_rcpt - the parameters of RCPT as a recipient's `extra`, in the arena. REPLY_OK,
 * or the refusal. */
enum reply_id params_rcpt(const struct rcpt_command *r, struct arena *a, struct slice *extra);

/* params_ascii - a domain in U-labels is written in A-labels from here on, so that there
 * is one spelling of it. REPLY_OK; `bad`: it is no domain; or REPLY_LOCAL_TROUBLE. */
enum reply_id params_ascii(struct mailbox *m, struct arena *a, enum reply_id bad);

/* wishes_copy - with its texts in the arena, which may be spent then */
struct wishes wishes_copy(struct arena *a, const struct wishes *w);

/* wishes_flags, wishes_extra - of the message at hand, for its envelope; the extra is
 * built in `room` */
uint32_t wishes_flags(const struct session *s);
struct slice wishes_extra(const struct session *s, struct buf *room);

/* extra_marked - a recipient's extra that came out of a list ("list") or an alias
 * ("alias"), in the arena */
struct slice extra_marked(struct slice extra, const char *origin, struct arena *a);
