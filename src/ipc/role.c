/* role.c - the names of the processes. */
#include "ipc/role.h"

const char *role_name(enum role role)
{
    static const char *const names[] = {
#define R(NAME, name, count, help) [ROLE_##NAME] = #name,
        ROLES(R)
#undef R
    };

    return (unsigned)role < ROLE_COUNT ? names[role] : "nobody";
}
