/* build.h - what the parts of conf_build() share. */
#pragma once
#include "conf/doc.h"

/* What is handed from step to step of one build. */
struct build {
    struct conf        *conf;
    struct conf_errors *errors;
    bool                files;      /* look whether files are there */
};

/* A step: one block of its section into its place in conf. */
typedef void build_f(struct build *b, const struct conf_block *block, void *owner);

/* build_line - where this setting was given, or else where its block begins */
unsigned build_line(const struct conf_block *block, enum conf_set set);

/* build_lower - a copy in lower case */
struct slice build_lower(struct arena *a, struct slice s);

/* build_path - an absolute path of a plain file; build_file - that of "file:/PATH";
 * `others` says what else might be written. Empty: wrong, told. */
struct slice build_path(struct build *b, unsigned line, const char *name, struct slice path);
struct slice build_file(struct build *b, unsigned line, const char *name, const char *others,
                        struct slice text);

/* build_secrets - the files of accounts, credentials and Kerberos keys */
void build_secrets(struct build *b, const struct conf_block *block, struct conf *conf);

/* build_tls_uses - what "default" means in each route, fetch and connector */
void build_tls_uses(struct build *b);

/* build_offers - what each listener offers to whom; when all sections are there */
void build_offers(struct build *b);

build_f build_tls, build_peer, build_offer, build_fetch, build_connector;
