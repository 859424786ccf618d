/* SPDX-License-Identifier: Apache-2.0
 *
 * carrier: see carrier.h.
 */
#include "server/net/carrier.h"

struct pl_status carrier_recv(struct carrier *carrier, struct pl_slice bytes)
{
    return carrier->ops->recv(carrier, bytes);
}

size_t carrier_fill(struct carrier *carrier, uint8_t *out, size_t room)
{
    return carrier->ops->fill(carrier, out, room);
}

void carrier_run(struct carrier *carrier)
{
    carrier->ops->run(carrier);
}

struct carrier_state carrier_look(const struct carrier *carrier)
{
    struct carrier_state state = {0};
    carrier->ops->look(carrier, &state);
    return state;
}

void carrier_on_time(struct carrier *carrier, int64_t late_ns, int64_t stuck_ns)
{
    carrier->ops->on_time(carrier, late_ns, stuck_ns);
}

void carrier_ask(struct carrier *carrier)
{
    carrier->ops->ask(carrier);
}

void carrier_announce(struct carrier *carrier)
{
    carrier->ops->announce(carrier);
}

void carrier_cut(struct carrier *carrier, enum pl_code code)
{
    carrier->ops->cut(carrier, code);
}

void carrier_drain_notice(struct carrier *carrier)
{
    carrier->ops->drain_notice(carrier);
}

void carrier_drain(struct carrier *carrier, const char *why)
{
    carrier->ops->drain(carrier, why);
}

void carrier_dismiss(struct carrier *carrier, uint32_t code, const char *why)
{
    carrier->ops->dismiss(carrier, code, why);
}

void carrier_close_streams(struct carrier *carrier)
{
    carrier->ops->close_streams(carrier);
}

void carrier_free(struct carrier *carrier)
{
    if (carrier != NULL)
        carrier->ops->free(carrier);
}
