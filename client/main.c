/* SPDX-License-Identifier: Apache-2.0
 *
 * main: the program `pledge`. The table of commands is in commands.c, the order of things in cli.c.
 */
#include "client/cli.h"
#include "common/standard.h"
#include "common/status.h"

int main(int argc, char **argv)
{
    return pl_standard_take() ? cli_main(argc, argv) : pl_code_exit(PL_E_UNAVAILABLE);
}
