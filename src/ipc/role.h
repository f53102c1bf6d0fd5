/* role.h - the list of processes.
 *
 * `postriderd` starts as the master and executes itself once per row, with
 * the role's name as its first argument; each role's main is in its folder.
 */
#pragma once

/*  NAME     name       how many            what it does, for ps and status */
#define ROLES(R)                                                            \
    R(MASTER,  master,  ONE,          "starts and restarts the others")     \
    R(SMTPD,   smtpd,   PER_SMTPD,    "receives mail")                      \
    R(QUEUE,   queue,   ONE,          "keeps mail and decides when it goes") \
    R(RELAY,   relay,   PER_RELAY,    "sends mail to other hosts")          \
    R(LOCAL,   local,   ONE,          "delivers to mailboxes")              \
    R(LOOKUP,  lookup,  ONE,          "knows users and aliases")            \
    R(VAULT,   vault,   ONE,          "keeps passwords and keys")           \
    R(CONSOLE, console, ONE,          "serves the control socket")

enum role_count { ONE, PER_SMTPD, PER_RELAY };

enum role {
#define R(NAME, name, count, help) ROLE_##NAME,
    ROLES(R)
#undef R
    ROLE_COUNT
};

#define ROLE_BIT(NAME) (1u << ROLE_##NAME)

/* Each role's program: runs until it is told to leave; its exit status. */
#define R(NAME, name, count, help) int name##_main(void);
ROLES(R)
#undef R

const char *role_name(enum role role);
