/* SPDX-License-Identifier: Apache-2.0
 *
 * config: the daemon's configuration file. What is refused is refused with words.
 */
#include "fuzz.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[FUZZ_PATH_BYTES], message[400] = "";
    struct config *config = NULL;
    if (len > 16384)
        return 0;
    fuzz_file("pledged.conf", pl_slice(data, len), path);
    struct pl_status status = config_load(path, message, sizeof(message), &config);
    FUZZ_HOLDS(pl_is_ok(status) == (config != NULL));
    FUZZ_HOLDS(pl_is_ok(status) || message[0] != '\0');
    FUZZ_HOLDS(memchr(message, '\0', sizeof(message)) != NULL);
    config_free(config);
    return 0;
}
