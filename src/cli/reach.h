/* reach.h - getting at a server: where it is, TLS, who we are, and a login.
 *
 * The options that all commands share which speak SMTP, and the conversation up to the
 * point where a command of one's own can be said.
 */
#pragma once
#include "cli/cli.h"
#include "cli/dialog.h"

struct reach {
    const char *server, *helo;
    const char *tls, *ca;           /* "off", "offer", "require", "implicit"; a file */
    const char *user, *password_file, *auth;
    const char *xclient;            /* attributes of XCLIENT */
    bool        ipv4, ipv6, verbose, quiet;
    int64_t     timeout;
};

/* The rows of a command's table of options; member: the struct reach in its structure. */
#define REACH_OPTIONS(type, member)                                                             \
    { "helo",    0,   OPTION_TEXT, offsetof(struct type, member.helo), "NAME",                  \
      "what to call oneself (this machine's name)" },                                           \
    { "tls",     0,   OPTION_TEXT, offsetof(struct type, member.tls), "WORD",                   \
      "off, offer (STARTTLS where it is offered), require, or implicit (at once)" },            \
    { "ca",      0,   OPTION_TEXT, offsetof(struct type, member.ca), "FILE",                    \
      "certificates to trust (the system's)" },                                                 \
    { "user",    'u', OPTION_TEXT, offsetof(struct type, member.user), "NAME", "log in as" },   \
    { "password-file", 0, OPTION_TEXT, offsetof(struct type, member.password_file), "FILE",     \
      "whose first line is the password (asked for)" },                                         \
    { "auth",    0,   OPTION_TEXT, offsetof(struct type, member.auth), "MECHANISM",             \
      "how to log in (the strongest)" },                                                        \
    { "xclient", 0,   OPTION_TEXT, offsetof(struct type, member.xclient), "ATTRIBUTES",         \
      "pass for another client, \"ADDR=192.0.2.1 NAME=x.test\"" },                              \
    { "ipv4",    '4', OPTION_FLAG, offsetof(struct type, member.ipv4), NULL, "IPv4 only" },     \
    { "ipv6",    '6', OPTION_FLAG, offsetof(struct type, member.ipv6), NULL, "IPv6 only" },     \
    { "timeout", 0,   OPTION_AGE,  offsetof(struct type, member.timeout), "TIME",               \
      "to wait for each answer (60s)" }

/* The conversation is printed: by `send` and `probe` in any case. */
#define REACH_VERBOSE(type, member)                                                             \
    { "verbose", 'v', OPTION_FLAG, offsetof(struct type, member.verbose), NULL,                 \
      "print the conversation" }

/* reach_check - what is wrong with the options, or NULL */
const char *reach_check(const struct reach *r);

/* reach_begin - *d made ready, nothing said: false when the server's name is malformed */
bool reach_begin(struct dialog *d, const struct reach *r);

/* reach_open - connect, TLS, EHLO, XCLIENT and AUTH as the options say. The exit status;
 * dialog_close() in every case. EX_NOPERM: the login was refused; EX_UNAVAILABLE: no TLS
 * or no mechanism where it was asked for. */
int reach_open(struct dialog *d, const struct reach *r);

/* password_read - the first line of FILE, of standard input for "-", or (NULL) what is
 * typed at the terminal. False after a message. */
bool password_read(const char *file, char to[512], size_t *n);

/* reach_json - {"server":..., "port":..., "tls":{...}} of a dialog, for --json */
json_t *reach_json(const struct dialog *d);
