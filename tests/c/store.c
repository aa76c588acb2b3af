/* PKGS: libcjson libcrypto expat */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/store/store.h"
#include "tests/c/tap.h"

static char dir[] = "/tmp/imgp-store.XXXXXX";
static char base[64];

/*
 * mkdirat(2) of the store, linked in the place of libc's: another process, which
 * removed the last object there, is quicker ${rivals} times and takes the
 * directory ${rival} away.
 */
static char *rival;
static int rivals;

int
mkdirat(int at, const char *name, mode_t mode)
{
	if (rivals > 0 && rmdir(rival) == 0)
		rivals--;
	return (int)syscall(SYS_mkdirat, at, name, mode);
}

static char *
at(const char *key)
{
	return imgp_asprintf("%s/%s", base, key);
}

static char *
path(const char *key)
{
	return imgp_asprintf("%s/%s", dir, key);
}

static void
put(struct imgp_store *st, const char *key, const char *data, const char *code)
{
	struct imgp_err e = { NULL, "" };
	char *url = at(key);
	int rc = imgp_store_put(st, url, data, strlen(data), &e);

	if (code == NULL)
		ok(rc == 0, "put %s%s%s", key, rc == 0 ? "" : ": ", e.msg);
	else
		is(rc == 0 ? "no error" : e.code, code, key);
	free(url);
}

static void
holds(struct imgp_store *st, const char *key, const char *data)
{
	struct imgp_object o = IMGP_OBJECT_UNKNOWN;
	struct imgp_err e = { NULL, "" };
	char *url = at(key), sum[IMGP_SHA256_HEX];

	imgp_sha256_hex(data, strlen(data), sum);
	ok(imgp_store_head(st, url, 1, &o, &e) == 0 &&
	    o.bytes == (int64_t)strlen(data), "%s has its size", key);
	is(o.sha256, sum, "... and its sum");
	free(url);
}

static int
copy(struct imgp_store *st, const char *from, const char *to,
    unsigned int flags, const struct imgp_object *expect,
    struct imgp_copied *copied, struct imgp_err *e)
{
	struct imgp_copy c = { .src = st, .from = from, .dst = st, .to = to,
	    .flags = flags, .expect = expect };

	return imgp_store_copy(&c, copied, e);
}

static int
count(void *arg, const char *url, const struct imgp_object *object)
{
	struct imgp_buf *b = arg;

	imgp_buf_printf(b, "%s:%lld ", url + strlen(base),
	    (long long)object->bytes);
	return 0;
}

static void
lists(struct imgp_store *st, const char *prefix, const char *want)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };
	char *url = at(prefix);

	ok(imgp_store_list(st, url, count, &b, &e) == 0, "a listing");
	is(b.s, want, "... of what is there");
	imgp_buf_release(&b);
	free(url);
}

static void
test_listing_twice(struct imgp_store *st)
{
	struct imgp_buf first = IMGP_BUF_INIT, second = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };

	ok(imgp_store_list(st, base, count, &first, &e) == 0 &&
	    imgp_store_list(st, base, count, &second, &e) == 0,
	    "the base is listed twice");
	ok(first.len > 0, "... there is something");
	is(second.s, first.s, "... the same both times");
	imgp_buf_release(&first);
	imgp_buf_release(&second);
}

/* The name of the first temporary for the target ${name}. */
static char *
temporary(const char *name, int slot)
{
	char sum[IMGP_SHA256_HEX];

	imgp_sha256_hex(name, strlen(name), sum);
	return imgp_asprintf("%s/q/.imgp-%.24s.%d", dir, sum, slot);
}

static void
test_leftovers(struct imgp_store *st)
{
	char *dead = temporary("o", 0), *url;
	struct stat sb;
	int fd;

	fd = open(dead, O_WRONLY | O_CREAT, 0666);
	ok(fd != -1 && write(fd, "half", 4) == 4, "a killed writer's file");
	close(fd);
	lists(st, "q", "/q/o:3 ");
	put(st, "q/o", "four", NULL);
	ok(stat(dead, &sb) == -1, "R4: ... goes with the next attempt");
	fd = open(dead, O_WRONLY | O_CREAT, 0666);
	ok(flock(fd, LOCK_EX) == 0, "a living writer's file");
	put(st, "q/o", "fives", NULL);
	ok(stat(dead, &sb) == 0, "R6: ... stays");
	holds(st, "q/o", "fives");
	close(fd);
	ok(unlink(dead) == 0 && symlink("/etc/passwd", dead) == 0,
	    "a link under a temporary's name");
	put(st, "q/o", "six", NULL);
	ok(lstat(dead, &sb) == -1, "R41: ... is removed, not followed");
	free(dead);
	url = imgp_asprintf("%s/q/.imgp-x", base);
	ok(imgp_store_remove(st, url, NULL) == -1,
	    "what is named as a temporary is no object");
	free(url);
}

static void
test_rival(struct imgp_store *st)
{
	rival = path("run");
	ok(mkdir(rival, 0777) == 0, "a directory that is about to go");
	rivals = 1;
	put(st, "run/1/o", "abc", NULL);
	ok(rivals == 0, "... went while one was made in it");
	holds(st, "run/1/o", "abc");
	free(rival);
}

static void
test_create_only(struct imgp_store *st)
{
	struct imgp_copied copied;
	struct imgp_err e = { NULL, "" };
	struct imgp_object wrong = { .bytes = 3 };
	char *a = at("a"), *b = at("b/c/d"), *c = at("c");

	put(st, "a", "one", NULL);
	ok(copy(st, a, b, IMGP_COPY_CREATE, NULL, &copied, &e) == 0 && !copied.existed, "R31: create");
	ok(copy(st, a, b, IMGP_COPY_CREATE, NULL, &copied, &e) == 0 && copied.existed, "R31: ... the same again");
	put(st, "a", "two", NULL);
	ok(copy(st, a, b, IMGP_COPY_CREATE, NULL, &copied, &e) == -1, "R31: ... other bytes of the same size");
	is(e.code, IMGP_E_STORE_EXISTS, "... by their code");
	holds(st, "b/c/d", "one");
	imgp_sha256_hex("one", 3, wrong.sha256);
	ok(copy(st, a, c, 0, &wrong, &copied, &e) == -1,
	    "R23: not what was promised");
	is(e.code, IMGP_E_STORE_INTEGRITY, "... by its code");
	ok(imgp_store_head(st, c, 0, &wrong, &e) == -1 &&
	    strcmp(e.code, IMGP_E_STORE_NOT_FOUND) == 0, "... leaves no trace");
	free(a);
	free(b);
	free(c);
}

static void
test_removing(struct imgp_store *st)
{
	struct imgp_err e = { NULL, "" };
	struct stat sb;
	char *b = at("b/c/d"), *p = path("b"), *r = path("");

	ok(imgp_store_remove(st, b, &e) == 0, "remove");
	ok(stat(p, &sb) == -1, "... with the directories that it leaves empty");
	ok(stat(r, &sb) == 0, "... but not the base");
	ok(imgp_store_remove(st, b, &e) == 0, "... again is fine");
	free(b);
	free(p);
	free(r);
}

static void
test_links(struct imgp_store *st)
{
	char *p = path("way"), *l = path("link");

	ok(symlink("/tmp", p) == 0 && symlink("a", l) == 0, "links");
	put(st, "way/x", "no", IMGP_E_STORE_NOT_FOUND);
	put(st, "link", "link", NULL);
	holds(st, "link", "link");
	holds(st, "a", "two");
	put(st, "../x", "no", IMGP_E_PLACE_INVALID);
	unlink(p);
	free(p);
	free(l);
}

int
main(void)
{
	struct imgp_store *st;
	struct imgp_err e = { NULL, "" };
	char *cmd;

	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(base, sizeof base, "file://%s", dir);
	if ((st = imgp_store_open(base, 0, &e)) == NULL) {
		printf("Bail out! %s\n", e.msg);
		return 1;
	}
	put(st, "q/o", "two", NULL);
	holds(st, "q/o", "two");
	put(st, "q/o", "", NULL);
	holds(st, "q/o", "");
	put(st, "q/o", "odd", NULL);
	put(st, "q/o/x", "no", IMGP_E_STORE_NOT_FOUND);
	test_leftovers(st);
	test_rival(st);
	test_create_only(st);
	test_listing_twice(st);
	lists(st, "b", "/b/c/d:3 ");
	lists(st, "nothing", "");
	test_removing(st);
	test_links(st);
	imgp_store_close(st);
	ok((st = imgp_store_open("file:///nonexistent/imgp", 0, &e)) == NULL,
	    "a base that is not there");
	is(e.code, IMGP_E_PLACE_MISSING, "... is said");
	cmd = imgp_asprintf("rm -rf '%s'", dir);
	if (system(cmd) != 0)
		return 1;
	free(cmd);
	return done_testing();
}
