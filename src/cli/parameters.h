/* parameters.h - what MAIL and RCPT say beside the addresses, from options.
 *
 * Nothing is held back because the server does not offer it: this is a tool to see what
 * servers do. Only octets that would break a command line are refused.
 */
#pragma once
#include "cli/options.h"
#include "base/buf.h"

struct parameters {
    const char      *notify, *ret, *envid, *by, *hold, *priority, *rrvs;
    struct text_list orcpt, mail, rcpt;     /* the last two: as they are */
    bool             utf8, requiretls;
};

#define PARAMETER_OPTIONS(type, member)                                                         \
    { "notify",  0, OPTION_TEXT, offsetof(struct type, member.notify), "LIST",                  \
      "reports wanted: NEVER, or SUCCESS,FAILURE,DELAY (RFC 3461)" },                           \
    { "ret",     0, OPTION_TEXT, offsetof(struct type, member.ret), "WORD",                     \
      "what a report brings back: FULL or HDRS" },                                              \
    { "envid",   0, OPTION_TEXT, offsetof(struct type, member.envid), "TEXT",                   \
      "a name for the message in reports" },                                                    \
    { "orcpt",   0, OPTION_LIST, offsetof(struct type, member.orcpt), "ADDRESS",                \
      "the original recipient, \"rfc822;a@b\"; one for each --to, in order" },                  \
    { "by",      0, OPTION_TEXT, offsetof(struct type, member.by), "SECONDS;MODE",              \
      "deliver within, \"120;R\" or \"120;NT\" (RFC 2852)" },                                   \
    { "hold",    0, OPTION_TEXT, offsetof(struct type, member.hold), "TIME",                    \
      "deliver not before: 2h, or 2026-11-22T12:00:00Z (RFC 4865)" },                           \
    { "priority", 0, OPTION_TEXT, offsetof(struct type, member.priority), "N",                  \
      "-9 to 9 (RFC 6710)" },                                                                   \
    { "requiretls", 0, OPTION_FLAG, offsetof(struct type, member.requiretls), NULL,             \
      "only ever over TLS (RFC 8689)" },                                                        \
    { "rrvs",    0, OPTION_TEXT, offsetof(struct type, member.rrvs), "DATE",                    \
      "only if the address has been this person's since (RFC 7293)" },                          \
    { "smtputf8", 0, OPTION_FLAG, offsetof(struct type, member.utf8), NULL,                     \
      "an internationalised message (RFC 6531)" },                                              \
    { "mail-param", 0, OPTION_LIST, offsetof(struct type, member.mail), "TEXT",                 \
      "any other parameter of MAIL, as it is; may be repeated" },                               \
    { "rcpt-param", 0, OPTION_LIST, offsetof(struct type, member.rcpt), "TEXT",                 \
      "any other parameter of RCPT, as it is; may be repeated" }

/* parameters_check - what is wrong with them, or NULL */
const char *parameters_check(const struct parameters *p);

/* parameters_mail, parameters_rcpt - append " NAME=VALUE" of each; n: which recipient */
void parameters_mail(const struct parameters *p, struct buf *out);
void parameters_rcpt(const struct parameters *p, size_t n, struct buf *out);
