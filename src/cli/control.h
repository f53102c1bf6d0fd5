/* control.h - asking the server through its control socket. */
#pragma once
#include "cli/cli.h"

/* One row of an answer. */
typedef void control_row_f(void *user, json_t *row);

/* control_ask - send one request, call `row` for each row as it comes, and put
 * the last line's object into *done (may be NULL; else json_decref it). The exit
 * status; a message has been printed unless it is EX_OK. Steals `request`. */
int control_ask(const struct cli *cli, json_t *request, control_row_f *row, void *user,
                json_t **done);

/* control_print_json - a control_row_f that prints the row as one line of JSON */
control_row_f control_print_json;
