/* SPDX-License-Identifier: Apache-2.0
 *
 * succession: what a checkpoint that came is to one that is held already, of the same ledger: the
 * one rule of everything here that keeps a checkpoint (mirror, dump, verify --since).
 *
 * A smaller one proves nothing against anybody if it fits: it was true when it was signed, and a
 * backup, a cache or a witness that is slow may be behind. Whether the entries after it are lost
 * is another question, and whether they were exchanged a third one. Pure.
 */
#ifndef CLIENT_SUCCESSION_H
#define CLIENT_SUCCESSION_H

#include <stdint.h>

enum succession {
    SUCCESSION_FOLLOWS, /* as large or larger: its entries tell whether it continues what is held */
    SUCCESSION_BEHIND,  /* smaller, and fits; the entries after it are there, nothing is lost */
    SUCCESSION_MISSING, /* smaller, and fits; the entries after it are gone */
    SUCCESSION_UNTOLD,  /* smaller; whether it fits cannot be told from what is held */
    SUCCESSION_REWRITTEN, /* smaller, or of the same size, and of another history */
};

struct succession_case {
    uint64_t held, came;      /* sizes */
    const uint8_t *held_root; /* of what is held, at the size that came; NULL: nobody knows it */
    const uint8_t *came_root;
    uint64_t there; /* entries that whoever sent it says to have now */
};
enum succession succession_judge(const struct succession_case *given);

#endif
