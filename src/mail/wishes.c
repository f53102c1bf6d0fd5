/* wishes.c - three header fields. */
#include "mail/wishes.h"
#include "mail/header.h"
#include "base/ascii.h"
#include "base/date.h"

bool wishes_tls_optional(struct slice message)
{
    static const struct slice name = SLICE_INIT("TLS-Required");
    struct header_field f;

    return header_count(message, name) == 1 && header_find(message, name, &f)
        && slice_ieq(slice_trim(f.body), SLICE_LIT("No"));
}

enum { SOLICIT_MAX = 1000 };

static bool keyword_valid(struct slice word)
{
    if (word.n == 0 || !ascii_alpha(word.p[0]))
        return false;
    for (size_t i = 1; i < word.n; i++)
        if (!ascii_alnum(word.p[i]) && (word.p[i] == '\0' || strchr(".-_:", word.p[i]) == NULL))
            return false;
    return true;
}

bool solicit_valid(struct slice list)
{
    struct slice word;
    bool more = list.n > 0 && list.n <= SOLICIT_MAX;

    if (!more)
        return false;
    while (more) {
        more = slice_cut(list, ',', &word, &list);
        if (!keyword_valid(word))
            return false;
    }
    return true;
}

bool solicit_next(struct slice *rest, struct slice *keyword)
{
    if (rest->n == 0)
        return false;
    slice_cut(*rest, ',', keyword, rest);
    return true;
}

bool solicit_meets(struct slice list, struct slice refused, struct slice *keyword)
{
    struct slice rest, word;

    while (solicit_next(&list, keyword))
        for (rest = refused; solicit_next(&rest, &word);)
            if (slice_ieq(word, *keyword))
                return true;
    return false;
}

bool wishes_solicitation(struct slice message, struct slice *list)
{
    static const struct slice name = SLICE_INIT("Solicitation");
    struct header_field f;

    if (header_count(message, name) != 1 || !header_find(message, name, &f))
        return false;
    *list = slice_trim(f.body);
    return solicit_valid(*list);
}

/* rrvs_parse - addr-spec ";" date-time; a quoted local part may hold a semicolon,
 * the date-time holds none */

static bool rrvs_parse(struct slice body, struct wish_rrvs *r)
{
    size_t at = slice_rchr(body, ';');

    r->address = slice_trim(slice_first(body, at));
    return at < body.n && slice_chr(r->address, '@') < r->address.n
        && slice_chr(r->address, '\n') == r->address.n && date_parse(slice_from(body, at + 1), &r->since);
}

bool wishes_rrvs(struct slice *rest, struct wish_rrvs *r)
{
    struct header_field f;

    while (header_next(rest, &f))
        if (slice_ieq(f.name, SLICE_LIT("Require-Recipient-Valid-Since")) && rrvs_parse(f.body, r))
            return true;
    return false;
}

bool wishes_role(struct slice local)
{
    static const struct slice roles[] = {
        SLICE_INIT("postmaster"), SLICE_INIT("abuse"), SLICE_INIT("hostmaster"),
        SLICE_INIT("webmaster"), SLICE_INIT("www"), SLICE_INIT("ftp"), SLICE_INIT("uucp"),
        SLICE_INIT("news"), SLICE_INIT("usenet"), SLICE_INIT("noc"), SLICE_INIT("security"),
        SLICE_INIT("info"), SLICE_INIT("marketing"), SLICE_INIT("sales"), SLICE_INIT("support"),
    };

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (slice_ieq(local, roles[i]))
            return true;
    return false;
}
