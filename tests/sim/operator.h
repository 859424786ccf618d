/* SPDX-License-Identifier: Apache-2.0
 *
 * operator: the file of the one who runs the daemon: who is on the roster with which role, whose
 * certificate is revoked, what needs a second person. It is edited at any moment, now and then so
 * that it cannot be read, and keeps all its versions. Stands in for server/config, and for
 * server/validity, which reads certificates from files.
 */
#ifndef SIM_OPERATOR_H
#define SIM_OPERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "pledged/v1/types.pb-c.h"
#include "tests/sim/dice.h"

struct config;
struct tls_files;

#define OPERATOR_ORIGIN  "example.org/sim"
#define OPERATOR_ACCOUNT "CH8109000000150001234" /* of the fund, in CHF */

enum operator_person { ANNA, BERTA, CARLA, DORA, EMIL, OPERATOR_PERSONS };
extern const char *const operator_name[OPERATOR_PERSONS];

/* The first version: everybody has a place. By connections, carla is the administrator; where there
 * are none nobody asks who may do what, and she approves. */
void operator_begin(struct dice *dice, bool wired, uint32_t four_eyes);
void operator_edit(void); /* somebody leaves, comes back, changes role; a certificate; the policy */
void operator_repair(void);      /* everybody has the first place again, and the file can be read */
uint64_t operator_version(void); /* number of the newest, from 1 */
/* What this version says of a person; UNSPECIFIED: not on it, or not by the certificate that they
 * have, or that is revoked. */
Pledged__V1__Role operator_role(uint64_t version, enum operator_person person);

/* By one of the versions from `since` on, this person had one of these roles (bits). */
bool operator_might(uint64_t since, enum operator_person person, unsigned roles);
/* By one of them they had none of these roles; or the role changed, and with it what is said of who
 * was let in before. */
bool operator_might_not(uint64_t since, enum operator_person person, unsigned roles);

/* As config_load gives it; the caller frees it with config_free. */
struct config *operator_config(void);
uint64_t operator_config_version(const struct config *config);
/* Whose file this is, from the part of it that server/net/tls is given. */
bool operator_revokes(const struct tls_files *files, enum operator_person person);

#endif
