/* SPDX-License-Identifier: Apache-2.0
 *
 * qrpart: the payment part of a Swiss QR-bill with its receipt, on the lowest 105 mm of an upright
 * A4 page, measured as the style guide of Swiss payments has it. In the language of text.h.
 */
#ifndef CLIENT_QRPART_H
#define CLIENT_QRPART_H

#include "client/paper.h"
#include "client/qrbill.h"

/* Nothing is drawn unless the bill is right (qrbill_check). */
PL_MUST_CHECK struct pl_status qrpart_draw(struct paper *paper, const struct qrbill *bill,
                                           struct failure *failure);

#endif
