/* parameters.c - options into parameters of extensions. */
#include <string.h>
#include "base/ascii.h"
#include "base/date.h"
#include "cli/parameters.h"

static bool safe(const char *s)
{
    for (; s != NULL && *s != '\0'; s++)
        if (ascii_control(*s))
            return false;
    return true;
}

static bool all_safe(const struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (!safe(list->items[i]))
            return false;
    return true;
}

/* moment - "2026-11-22", or a whole RFC 3339 stamp */

static bool moment(const char *text, int64_t *ms)
{
    char whole[64];

    if (strlen(text) != strlen("2026-11-22"))
        return date_parse_stamp(slice_cstr(text), ms);
    snprintf(whole, sizeof whole, "%sT00:00:00Z", text);
    return date_parse_stamp(slice_cstr(whole), ms);
}

const char *parameters_check(const struct parameters *p)
{
    const char *const texts[] = { p->notify, p->ret, p->envid, p->by, p->priority };
    int64_t ms;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!safe(texts[i]))
            return "a parameter has control characters";
    if (!all_safe(&p->orcpt) || !all_safe(&p->mail) || !all_safe(&p->rcpt))
        return "a parameter has control characters";
    if (p->hold != NULL && !age_parse(p->hold, &ms) && !moment(p->hold, &ms))
        return "--hold is a time like 2h, or a moment like 2026-11-22T12:00:00Z";
    if (p->rrvs != NULL && !moment(p->rrvs, &ms))
        return "--rrvs is a day like 2024-01-31, or a moment of RFC 3339";
    return NULL;
}

static void put(struct buf *out, const char *name, const char *value)
{
    if (value != NULL)
        buf_printf(out, " %s=%s", name, value);
}

/* put_xtext - octets 33 to 126 but + and = as they are (RFC 3461 §4) */

static void put_xtext(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++)
        if (*s > ' ' && *s < 127 && *s != '+' && *s != '=')
            buf_put(out, s, 1);
        else
            buf_printf(out, "+%02X", (unsigned char)*s);
}

static void put_moment(struct buf *out, const char *name, const char *text)
{
    char stamp[DATE_TEXT];
    int64_t ms = 0;

    if (moment(text, &ms))
        put(out, name, date_stamp(ms, stamp));
}

static void put_hold(struct buf *out, const char *text)
{
    int64_t ms;

    if (age_parse(text, &ms))
        buf_printf(out, " HOLDFOR=%lld", (long long)(ms / 1000));
    else
        put_moment(out, "HOLDUNTIL", text);
}

static void put_list(struct buf *out, const struct text_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        buf_printf(out, " %s", list->items[i]);
}

void parameters_mail(const struct parameters *p, struct buf *out)
{
    put(out, "RET", p->ret);
    if (p->envid != NULL) {
        buf_puts(out, " ENVID=");
        put_xtext(out, p->envid);
    }
    put(out, "BY", p->by);
    if (p->hold != NULL)
        put_hold(out, p->hold);
    put(out, "MT-PRIORITY", p->priority);
    if (p->utf8)
        buf_puts(out, " SMTPUTF8");
    if (p->requiretls)
        buf_puts(out, " REQUIRETLS");
    put_list(out, &p->mail);
}

void parameters_rcpt(const struct parameters *p, size_t n, struct buf *out)
{
    put(out, "NOTIFY", p->notify);
    if (n < p->orcpt.n) {
        const char *text = p->orcpt.items[n], *address = strchr(text, ';');

        buf_printf(out, " ORCPT=%.*s", address != NULL ? (int)(address - text + 1) : 0, text);
        if (address == NULL)
            buf_puts(out, "rfc822;");
        put_xtext(out, address != NULL ? address + 1 : text);
    }
    if (p->rrvs != NULL)
        put_moment(out, "RRVS", p->rrvs);
    put_list(out, &p->rcpt);
}
