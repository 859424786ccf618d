/* SPDX-License-Identifier: Apache-2.0
 *
 * fold: what the eye takes for the same in a name: letters whatever their case, without accents,
 * composed or not, without what is never seen: joiners, fillers, marks of zero width; apostrophes
 * and dashes of any form, "oe" and "ae" written as one letter or as two. The tables of
 * case and composition are libunistring's; of characters that have a meaning they never
 * change (Unicode's stability of normalisation and of case folding), so that a ledger is judged
 * alike on every machine.
 */
#ifndef PL_FOLD_H
#define PL_FOLD_H

/* Owned by the caller (free). NULL: there is nothing to fold but the case of ASCII letters, or it
 * is no UTF-8. */
char *pl_fold(const char *text);

#endif
