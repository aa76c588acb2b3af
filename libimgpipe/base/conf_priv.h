/* Inside the wing: what a setting's value must look like. */
#ifndef IMGPIPE_CONF_PRIV_H
#define IMGPIPE_CONF_PRIV_H

#include "libimgpipe/base/err.h"

/*
 * 0 when ${value} has the form ${form}, else -1 with IMGP-CONFIG; the message
 * does not name the setting.
 *
 *	of A B C		one of these words
 *	number MIN MAX		a whole number
 *	time MIN MAX		a duration, within these seconds
 *	times			durations, separated by blanks
 *	place			s3://bucket/key or file:///path
 *	path			an absolute path
 *	command			a program's absolute path, and words for it
 *	names			of variables of the environment
 *	account			the twelve digits of an AWS account
 */
int	imgp_conf_form(const char *form, const char *value,
	    struct imgp_err *e);

#endif
