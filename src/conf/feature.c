/* feature.c - keywords of features, and who has them by default. */
#include "conf/conf.h"

/* What harms nobody and every mail server may hear. */
#define COMMON (FEATURE(PIPELINING) | FEATURE(SIZE) | FEATURE(8BITMIME) | FEATURE(ENHANCED)  \
              | FEATURE(CHUNKING) | FEATURE(BINARYMIME) | FEATURE(DSN) | FEATURE(SMTPUTF8)   \
              | FEATURE(DELIVERBY) | FEATURE(REQUIRETLS) | FEATURE(RRVS) | FEATURE(LIMITS)   \
              | FEATURE(NO_SOLICITING) | FEATURE(HELP) | FEATURE(STARTTLS))

/* What costs us something, or tells of users. */
#define KNOWN (COMMON | FEATURE(FUTURERELEASE) | FEATURE(MT_PRIORITY) | FEATURE(VRFY)        \
             | FEATURE(EXPN) | FEATURE(ETRN))

#define LOGIN (FEATURE(AUTH) | FEATURE(X_EXPS))
#define ODMR  (FEATURE(ENHANCED) | FEATURE(STARTTLS) | LOGIN)

static const uint64_t usual[LISTEN_ROLES][WHO_COUNT] = {
    [LISTEN_MX]         = { COMMON | LOGIN, KNOWN | LOGIN, KNOWN | LOGIN },
    [LISTEN_SINK]       = { COMMON, COMMON, COMMON },
    [LISTEN_SUBMISSION] = { COMMON | LOGIN, KNOWN | LOGIN, KNOWN | LOGIN },
    [LISTEN_ODMR]       = { ODMR | FEATURE(ATRN), ODMR | FEATURE(ATRN), ODMR | FEATURE(ATRN) },
    [LISTEN_LMTP]       = { COMMON, KNOWN, KNOWN },
};

static const char *const keywords[FEATURE_COUNT] = {
#define F(NAME, keyword) [FEATURE_##NAME] = keyword,
    FEATURES(F)
#undef F
};

/* Other spellings that people write. */
static const struct { const char *word; enum feature feature; } others[] = {
    { "LINK2STATE", FEATURE_LINK2STATE },
    { "X-EXCH50",   FEATURE_XEXCH50 },
};

const char *feature_keyword(enum feature f)
{
    return keywords[f];
}

bool feature_parse(struct slice word, enum feature *f)
{
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (slice_ieq(word, slice_cstr(keywords[i]))) {
            *f = (enum feature)i;
            return true;
        }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (slice_ieq(word, slice_cstr(others[i].word))) {
            *f = others[i].feature;
            return true;
        }
    return false;
}

uint64_t features_usual(unsigned role, enum who who)
{
    return usual[role][who];
}
