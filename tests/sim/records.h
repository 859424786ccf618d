/* SPDX-License-Identifier: Apache-2.0
 *
 * records: persons' records (contacts, details of who paid) as clients bring them, and what must be
 * in the file of persons, asked of it by SQL and of the disk by its bytes. The ledger's entries say
 * which records live and which are erased; this shares no rules with server/persons or the ledger.
 */
#ifndef SIM_RECORDS_H
#define SIM_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "common/status.h"
#include "pledged/v1/entry.pb-c.h"
#include "tests/sim/dice.h"

enum { RECORD_KEY = 32, RECORD_BYTES_MAX = 2000, RECORD_WORD = 24 };
struct record {
    uint8_t commitment[RECORD_KEY], salt[RECORD_KEY], bytes[RECORD_BYTES_MAX];
    size_t len;
    char word[RECORD_WORD + 1]; /* that is in this record and nowhere else */
    uint64_t live_seq, erased_seq;
    unsigned asked; /* copies of requests that brought it */
};

void records_begin(struct dice *dice, bool on);
bool records_on(void);
bool records_wanted(void); /* the next command is about persons; some runs are about little else */
/* Another person, or who paid; its number. */
size_t records_contact(void); /* now and then one that was brought before */
size_t records_payer(void);
const struct record *records_at(size_t number);
void records_ask(size_t number); /* it goes to the daemon, once more */
uint64_t records_contacts(void); /* that the ledger knows */
uint64_t records_erased(void);

/* An entry that is new to the model. False: *ret_what is wrong. */
bool records_see(const Pledged__V1__Entry *entry, const char **ret_what);
/* After a start, before anything is asked, and at an orderly end: what the ledger says is in the
 * file, and nothing else. */
bool records_check(const char **ret_what);
/* It was told that this one is erased, or that what brought it was refused: no byte is left. Not
 * asked where more than one request brought it, or something failed. */
bool records_is_gone(const uint8_t commitment[RECORD_KEY], const char **ret_what);

/* What the registrar could not do in this life; it does it later, or at the next start. */
void records_excuse(struct pl_status status);
void records_start(void);
bool records_unexcused(void); /* it did all of it */

#endif
