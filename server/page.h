/* SPDX-License-Identifier: Apache-2.0
 *
 * page: the page that people look at: four files of server/page, built into the program, served to
 * every role (and to nobody in particular on the public listener). Nothing in them comes from
 * elsewhere, and the browser is told so.
 *
 * Thread: any worker; everything is constant.
 *
 * Previous hop: server/net/rpc.
 */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include "server/net/net.h"

extern const struct net_resource page_resources[];
extern const size_t page_resource_count;

#endif
