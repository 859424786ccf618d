/* SPDX-License-Identifier: Apache-2.0
 *
 * reference: what a payer writes so that money finds its pledge: the creditor reference of ISO
 * 11649 (SCOR, "RF18 5390 0754 7034") and the Swiss QR reference (QRR, 27 digits), each with a
 * checksum; and the check of an account number (IBAN). Normal form: no blanks, capital letters.
 * Texts come from outside: nothing here asserts on them, and every length is bounded.
 */
#ifndef PL_REFERENCE_H
#define PL_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PL_REFERENCE_BYTES = 28, /* a normal form and its NUL */
    PL_REFERENCE_PRINT_BYTES = 36,
    PL_IBAN_BYTES = 35,
    PL_IBAN_PRINT_BYTES = 44,
};

enum pl_reference_kind { PL_REFERENCE_NONE, PL_REFERENCE_SCOR, PL_REFERENCE_QRR };

/* Normal form of a text that is a reference and nothing else, blanks apart; NONE and "" if the form
 * or the checksum is wrong. */
enum pl_reference_kind pl_reference_read(const char *text, char out[PL_REFERENCE_BYTES]);
bool pl_reference_valid(const char *text);

/* The reference inside a free text, as banks pass them on: with blanks anywhere, words before and
 * behind. The checksum holds. One of ours is preferred; where two different ones stand, a person
 * has to decide: false. */
bool pl_reference_find(const char *free_text, char out[PL_REFERENCE_BYTES]);

/* Number of the pledge that a normal form was minted for; 0: none of ours. */
uint64_t pl_reference_pledge(const char *normalised);
/* The reference of a pledge: "RF" check digits "P000042", or the number in 26 digits and a check
 * digit for an account with a QR-IBAN. */
const char *pl_reference_scor(uint64_t pledge, char out[PL_REFERENCE_BYTES]);
const char *pl_reference_qrr(uint64_t pledge, char out[PL_REFERENCE_BYTES]);

/* Adds the check digits. False: not 1 to 21 capital letters and digits; not 1 to 26 digits, or
 * nothing but zeros. */
bool pl_reference_mint_scor(const char *body, char out[PL_REFERENCE_BYTES]);
bool pl_reference_mint_qrr(const char *digits, char out[PL_REFERENCE_BYTES]);

/* As it is printed: groups of four, or 2+5+5+5+5+5. Anything else comes out as "". */
const char *pl_reference_print(const char *normalised, char out[PL_REFERENCE_PRINT_BYTES]);

/* Normal form of an account number whose length and checksum are right; blanks apart. */
bool pl_iban_read(const char *text, char out[PL_IBAN_BYTES]);
/* Of a normal form: Swiss or Liechtenstein, and of the range (IID 30000 to 31999) that takes
 * QR references only. */
bool pl_iban_swiss(const char *normalised);
bool pl_iban_qr(const char *normalised);
const char *pl_iban_print(const char *normalised, char out[PL_IBAN_PRINT_BYTES]);

#endif
