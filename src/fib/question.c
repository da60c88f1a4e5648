/* SPDX-License-Identifier: MIT */
#include "fib/question.h"

void fib_question_done(struct fib_question *q)
{
	vec_done(&q->sysctls);
}

void fib_table_question_done(struct fib_table_question *q)
{
	vec_done(&q->ours);
}
