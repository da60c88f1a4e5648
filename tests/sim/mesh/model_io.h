/* SPDX-License-Identifier: MIT */
/* The model behind the operations of LOOK and DO. */
#ifndef SHUNT_TESTS_SIM_MESH_MODEL_IO_H
#define SHUNT_TESTS_SIM_MESH_MODEL_IO_H

#include "fib/io.h"
#include "model.h"

struct model_io {
	struct fib_io io;
	struct model *model;
};

void model_io_init(struct model_io *io, struct model *m);
/* A change that isn't one of these operations (the journal's, say) begins. 0; 1: whoever makes it
 * died before it and believes that it worked; negative errno: it is refused. */
int model_io_change(struct model *m);

#endif
