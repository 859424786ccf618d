/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_witness: put before server/witness.c when it is compiled for the simulator: its thread is a
 * fiber, and what it asks of libcurl is carried by courier.
 */
#ifndef SIM_SHIM_WITNESS_H
#define SIM_SHIM_WITNESS_H

#include "tests/sim/courier.h"
#include "tests/sim/shim_threads.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo
#define curl_global_init         courier_global_init
#define curl_global_cleanup      courier_global_cleanup
#define curl_slist_append        courier_slist_append
#define curl_slist_free_all      courier_slist_free_all
#define curl_easy_init           courier_easy_init
#define curl_easy_reset          courier_easy_reset
#define curl_easy_setopt         courier_easy_setopt
#define curl_easy_getinfo        courier_easy_getinfo
#define curl_easy_cleanup        courier_easy_cleanup
#define curl_easy_strerror       courier_easy_strerror
#define curl_multi_init          courier_multi_init
#define curl_multi_cleanup       courier_multi_cleanup
#define curl_multi_add_handle    courier_multi_add_handle
#define curl_multi_remove_handle courier_multi_remove_handle
#define curl_multi_perform       courier_multi_perform
#define curl_multi_info_read     courier_multi_info_read
#define curl_multi_poll          courier_multi_poll

#endif
