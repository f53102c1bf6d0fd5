/* reply.h - what the server may say, and how it is written down.
 *
 * Every reply stands in one list. A command handler chooses one by name and
 * may add lines of its own; reply_write() alone produces bytes: it knows
 * "250-" from "250 ", where the enhanced status code goes (RFC 2034), and
 * which characters may not be sent. Nothing ever parses a reply of ours.
 *
 * The class of an enhanced status code is the first digit of the reply code
 * (RFC 2034 §4), so the list does not spell it and they cannot disagree.
 */
#pragma once
#include "base/buf.h"

enum { BARE = -1 };     /* greeting, EHLO, 3xx: no enhanced code (RFC 2034 §4) */

/*    NAME              code subject detail  default text */
#define SMTP_REPLIES(R)                                                                  \
    R(LINKSTATE,        200, BARE, 0,  "NEXT")                                            \
    R(HELP,             214, 0, 0,     "See RFC 5321")                                    \
    R(GREETING,         220, BARE, 0,  "ESMTP")                                           \
    R(READY_TLS,        220, 0, 0,     "Ready to start TLS")                              \
    R(BYE,              221, 0, 0,     "Bye")                                             \
    R(OK,               250, 0, 0,     "Ok")                                              \
    R(LOGGED_IN,        235, 7, 0,     "You are logged in")                               \
    R(HELO,             250, BARE, 0,  "")                                                \
    R(EHLO,             250, BARE, 0,  "")                                                \
    R(TURNING,          250, 0, 0,     "OK now reversing the connection")                 \
    R(ETRN_NONE,        251, 0, 0,     "OK, no messages waiting")                         \
    R(ETRN_PENDING,     252, 0, 0,     "OK, pending messages started")                    \
    R(ETRN_COUNT,       253, 0, 0,     "OK, pending messages started")                    \
    R(SENDER_OK,        250, 1, 0,     "Sender ok")                                       \
    R(RCPT_OK,          250, 1, 5,     "Recipient ok")                                    \
    R(RCPT_MAIL_ONLY,   250, 1, 5,     "User not active now, so will do mail")             \
    R(BLOB_OK,          250, BARE, 0,  "XEXCH50 OK")                                      \
    R(CHUNK_OK,         250, 0, 0,     "Ok")                                              \
    R(ACCEPTED,         250, 0, 0,     "Ok")                                              \
    R(VRFY_OK,          250, 1, 5,     "Yes")                                             \
    R(RCPT_FORWARD,     251, 1, 5,     "User not local; will forward")                    \
    R(CANNOT_VRFY,      252, 5, 2,     "Cannot VRFY user; try RCPT to attempt delivery")  \
    R(SEND_DATA,        354, BARE, 0,  "End data with <CRLF>.<CRLF>")                     \
    R(SEND_BLOB,        354, BARE, 0,  "Send binary data")                                \
    R(SHUTTING_DOWN,    421, 3, 2,     "Service closing, try again later")                \
    R(TOO_MANY_LOGINS,  421, 7, 0,     "Too many logins have failed")                     \
    R(TOO_MANY_ERRORS,  421, 7, 0,     "Too many errors")                                 \
    R(TOO_MUCH_JUNK,    421, 7, 0,     "Too many commands without mail")                  \
    R(TOO_MANY_CONNECTIONS, 421, 7, 0, "Too many connections, try again later")           \
    R(TOO_MANY_MESSAGES,421, 7, 0,     "Too many messages in this session, connect again") \
    R(TIMED_OUT,        421, 4, 2,     "Timeout, closing connection")                     \
    R(TOO_SLOW,         421, 4, 2,     "Too slow, closing connection")                    \
    R(LINE_ENDLESS,     421, 5, 2,     "Line without end, closing connection")            \
    R(NO_SERVICE,       421, 3, 0,     "Service not available, closing connection")       \
    R(MAILBOX_BUSY,     450, 2, 0,     "Mailbox not available now, try again later")      \
    R(TURN_DENIED,      450, 7, 1,     "Refused: not every domain is yours")              \
    R(TURN_BUSY,        450, 7, 1,     "Refused: this mail is being fetched already")     \
    R(NOT_ACTIVE,       450, 2, 1,     "User not active now")                             \
    R(RCPT_LATER,       451, 4, 3,     "Cannot check this recipient now, try again later") \
    R(TURN_CANNOT,      451, 3, 0,     "Unable to process this now, try again later")     \
    R(LOCAL_TROUBLE,    451, 3, 0,     "Local trouble, try again later")                  \
    R(DISK_FULL,        452, 3, 1,     "Insufficient storage, try again later")           \
    R(TOO_MANY_RCPTS,   452, 5, 3,     "Too many recipients")                             \
    R(LOGIN_LATER,      454, 7, 0,     "Cannot check this login now, try again later")    \
    R(NO_TLS,           454, 7, 0,     "TLS not available now, try again later")          \
    R(NO_MAIL,          453, 0, 0,     "You have no mail")                                \
    R(ETRN_CANNOT,      458, 3, 0,     "Unable to queue messages now")                    \
    R(ETRN_DENIED,      459, 7, 1,     "Node not allowed")                                \
    R(ETRN_NO_QUEUE,    459, 5, 4,     "Queue unknown")                                   \
    R(NEED_ARGUMENT,    500, 5, 2,     "Syntax error: a parameter is needed")             \
    R(UNKNOWN_COMMAND,  500, 5, 2,     "Command not recognized")                          \
    R(LINE_TOO_LONG,    500, 5, 2,     "Line too long")                                   \
    R(BAD_BYTES,        500, 5, 2,     "Line with NUL, bare CR or bare LF")               \
    R(LOGIN_LONG,       500, 5, 6,     "Line of a login too long")                        \
    R(LOGIN_CANCELLED,  501, 7, 0,     "Login cancelled")                                 \
    R(NO_INITIAL,       501, 7, 0,     "This mechanism begins with the server")           \
    R(BAD_BASE64,       501, 5, 2,     "Cannot decode this answer")                       \
    R(BAD_ARGUMENTS,    501, 5, 4,     "Syntax error in arguments")                       \
    R(BAD_CHUNK,        501, 5, 4,     "No size of a chunk, closing connection")          \
    R(HOLD_TOO_LONG,    501, 5, 4,     "Cannot be held so long")                          \
    R(BAD_DOMAIN,       501, 5, 4,     "Bad domain or address literal")                   \
    R(BAD_SENDER,       501, 1, 7,     "Bad sender address syntax")                       \
    R(BAD_RCPT,         501, 1, 3,     "Bad recipient address syntax")                    \
    R(NOT_IMPLEMENTED,  502, 5, 1,     "Command not implemented")                         \
    R(NOT_SMTP,         502, 5, 1,     "This is an SMTP server")                          \
    R(NEED_HELO,        503, 5, 1,     "Send EHLO or HELO first")                         \
    R(MAIL_TWICE,       503, 5, 1,     "Sender already given; one MAIL at a time")        \
    R(NEED_MAIL,        503, 5, 1,     "Send MAIL first")                                 \
    R(NEED_RCPT,        503, 5, 1,     "Send RCPT first")                                 \
    R(NEED_BDAT,        503, 5, 1,     "BODY=BINARYMIME goes with BDAT")                  \
    R(OUT_OF_ORDER,     503, 5, 1,     "Command out of order")                            \
    R(BAD_PARAMETER,    504, 5, 4,     "Parameter not implemented")                       \
    R(NO_MECHANISM,     504, 5, 4,     "Mechanism not offered")                           \
    R(NEED_TLS,         530, 7, 0,     "Must issue a STARTTLS command first")             \
    R(NEED_AUTH,        530, 7, 0,     "Authentication required")                         \
    R(LOGIN_TOO_WEAK,   534, 7, 9,     "Mechanism too weak")                              \
    R(BAD_LOGIN,        535, 7, 8,     "Wrong name or password")                          \
    R(LOGIN_NEEDS_TLS,  538, 7, 11,    "This mechanism needs encryption: say STARTTLS first") \
    R(NO_SUCH_USER,     550, 1, 1,     "No such user here")                               \
    R(NO_EXPN,          550, 7, 1,     "Access denied: enough names were asked for")      \
    R(EXPN_AMBIGUOUS,   550, 1, 4,     "Ambiguous")                                       \
    R(NO_RELAY,         550, 7, 1,     "Relaying denied")                                 \
    R(OLDER_THAN_USER,  550, 7, 17,    "The address was somebody else's then")            \
    R(BARE_CHUNK,       550, 6, 0,     "Message with bare LF, bare CR or NUL refused without BODY=BINARYMIME") \
    R(BARE_LF,          550, 6, 0,     "Message with bare LF, bare CR or NUL refused")    \
    R(NULL_MX,          556, 1, 10,    "Recipient's domain accepts no mail")              \
    R(TEXT_LINE_LONG,   550, 6, 0,     "Line of text too long")                           \
    R(NOT_LOCAL,        551, 7, 1,     "User not local")                                  \
    R(TOO_BIG,          552, 3, 4,     "Message too big")                                 \
    R(RCPT_TOO_BIG,     552, 2, 3,     "Message too big for this recipient")              \
    R(CHUNK_TOO_BIG,    552, 3, 4,     "Message far too big, closing connection")         \
    R(BAD_MAILBOX,      553, 1, 3,     "Mailbox name not allowed")                        \
    R(VRFY_AMBIGUOUS,   553, 1, 4,     "Ambiguous")                                       \
    R(NEED_UTF8,        553, 6, 7,     "Address needs SMTPUTF8, which is not offered")    \
    R(NEED_UTF8_REPLY,  553, 6, 8,     "Say SMTPUTF8 to be told: the answer is in UTF-8") \
    R(OUT_OF_STEP,      554, 5, 0,     "Did not wait for a reply")                        \
    R(NO_VALID_RCPTS,   554, 5, 1,     "No valid recipients")                             \
    R(EARLY_TALKER,     554, 5, 0,     "Did not wait for the greeting")                   \
    R(LOOPS,            554, 4, 6,     "Too many hops: this message loops")               \
    R(NOT_ACCEPTED,     554, 6, 0,     "Message not accepted")                            \
    R(BY_TOO_SOON,      555, 5, 4,     "Cannot promise delivery so soon")                 \
    R(UNKNOWN_PARAMETER,555, 5, 4,     "Parameter not recognized")

enum reply_id {
#define R(NAME, code, subject, detail, text) REPLY_##NAME,
    SMTP_REPLIES(R)
#undef R
    REPLY_COUNT
};

enum { REPLY_TEXT = 4096, REPLY_LINE = 490 };   /* 512 with codes and CRLF (RFC 5321 §4.5.3.1.5) */

struct reply {
    enum reply_id id;
    size_t        len;              /* bytes used in text; 0: the default text */
    bool          utf8;             /* the text may be UTF-8 (RFC 6531 §3.7.4.2) */
    char          text[REPLY_TEXT]; /* lines, each ended by '\0' */
};

unsigned reply_code(enum reply_id id);

/* reply_add - append one line of text; too much is cut, never refused. Returns id. */
enum reply_id reply_add(struct reply *r, enum reply_id id, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* reply_text - the same, of two pieces and without printf: for replies to every message */
enum reply_id reply_text(struct reply *r, enum reply_id id, struct slice a, struct slice b);

/* reply_write - the bytes of a reply; `enhanced`: the client gets RFC 2034 codes */
void reply_write(struct buf *out, const struct reply *r, bool enhanced);

/* reply_write_more - the same, but further lines follow (with the next reply_write) */
void reply_write_more(struct buf *out, const struct reply *r, bool enhanced);
