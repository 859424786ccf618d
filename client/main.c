/* SPDX-License-Identifier: Apache-2.0
 *
 * main: the program `pledge`. The table of commands is in commands.c, the order of things in cli.c.
 */
#include "client/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
