/* SPDX-License-Identifier: Apache-2.0
 *
 * h1head: the head of an HTTP/1.1 request. Whatever is taken points into the bytes given, but for
 * the target "/" of a request for "https://host".
 */
#include "fuzz.h"
#include "server/net/h1_head.h"

static void inside(struct pl_slice part, const uint8_t *bytes, size_t len)
{
    FUZZ_HOLDS(part.len == 0 || (part.data >= bytes && part.data + part.len <= bytes + len));
}

static void parse(uint8_t *bytes, size_t len)
{
    struct h1_head head;
    if (h1_parse(bytes, len, true, &head).status != NULL)
        return;
    FUZZ_HOLDS(head.field_count <= H1_FIELDS_MAX);
    inside(head.method, bytes, len);
    if (!pl_slice_eq_str(head.target, "/"))
        inside(head.target, bytes, len);
    FUZZ_HOLDS(head.target.len > 0);
    inside(head.authority, bytes, len);
    for (size_t i = 0; i < head.field_count; i++) {
        inside(head.field[i].name, bytes, len);
        inside(head.field[i].value, bytes, len);
        FUZZ_HOLDS(head.field[i].name.len > 0);
        FUZZ_HOLDS(head.field[i].value.len == 0 ||
                   (memchr(head.field[i].value.data, '\n', head.field[i].value.len) == NULL &&
                    memchr(head.field[i].value.data, '\0', head.field[i].value.len) == NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct h1_scan scan = {0};
    uint8_t *kept = malloc(len + 1);
    PL_ASSERT(kept != NULL);
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        enum h1_scanned scanned = h1_scan(&scan, data[i]);
        if (scanned == H1_BAD)
            break;
        if (scanned != H1_SKIP)
            kept[count++] = data[i];
        if (scanned == H1_END) {
            uint8_t *exact = malloc(count);
            PL_ASSERT(exact != NULL);
            memcpy(exact, kept, count);
            parse(exact, count);
            free(exact);
            break;
        }
    }
    free(kept);
    return 0;
}
