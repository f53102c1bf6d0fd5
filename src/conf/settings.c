/* settings.c - the rows of settings.h as tables. */
#include "conf/settings.h"

/* Where the members of a section live. */
#define AT_TOP(member)       struct conf, member
#define AT_TRUST(member)     struct conf, member
#define AT_DNS(member)       struct conf, member
#define AT_QUEUE(member)     struct conf, member
#define AT_LIMITS(member)    struct conf, member
#define AT_RELAY(member)     struct conf, member
#define AT_LOG(member)       struct conf, member
#define AT_PROCESSES(member) struct conf, member
#define AT_LISTEN(member)    struct conf_listen, member
#define AT_DOMAIN(member)    struct conf_domain, member
#define AT_ROUTE(member)     struct conf_route, member
#define AT_TLS(member)       struct conf_tls, member
#define AT_PEER(member)      struct conf_peer, member
#define AT_OFFER(member)     struct conf_offer, member
#define AT_FETCH(member)     struct conf_fetch, member
#define AT_CONNECTOR(member) struct conf_connector, member
#define AT_LINKS(member)     struct conf, member

const struct conf_setting conf_settings[SETTING_COUNT] = {
#define S(SECTION, name_, member, kind_, value_, least_, most_, words_, help_)  \
    [SET_##SECTION##_##name_] = {                                               \
        .section = SECTION_##SECTION, .name = #name_, .kind = KIND_##kind_,     \
        .value = value_, .least = (int64_t)(least_), .most = (int64_t)(most_),  \
        .words = words_, .help = help_,                                         \
        .offset = __builtin_offsetof(AT_##SECTION(member)) },
    CONF_SETTINGS(S)
#undef S
};

const struct conf_section_row conf_sections[SECTION_COUNT] = {
#define X(NAME, name_, titled_, help_) \
    [SECTION_##NAME] = { .name = name_, .titled = titled_, .help = help_ },
    CONF_SECTIONS(X)
#undef X
};

void conf_section_span(enum conf_section section, unsigned *first, unsigned *n)
{
    *first = SETTING_COUNT;
    *n = 0;
    for (unsigned i = SETTING_COUNT; i-- > 0; )
        if (conf_settings[i].section == section) {
            *first = i;
            ++*n;
        }
}
