/* ascii.h - character classes of the protocol, whatever the locale says. */
#pragma once
#include <stdbool.h>

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;      /* 0x20 is what the cases differ by */
}

static inline bool ascii_alnum(char c)
{
    return ascii_alpha(c) || ascii_digit(c);
}

/* ascii_hex - the value of a hexadecimal digit, or -1 */
static inline int ascii_hex(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ascii_control - would this byte move a terminal or end a line? */
static inline bool ascii_control(char c)
{
    return (unsigned char)c < ' ' || c == 127;
}
