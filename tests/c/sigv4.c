/* PKGS: libcjson libcrypto */
/*
 * sigv4 [DIR ...]: the signer against AWS's vectors, one directory each as in
 * awslabs/aws-c-auth, and against the worked examples of the S3 reference.
 */
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/json.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/net/sigv4.h"
#include "tests/c/tap.h"

#define MAX_HEADERS	16

static char *
slurp(const char *dir, const char *name)
{
	char *path = imgp_asprintf("%s/%s", dir, name), chunk[4096];
	struct imgp_buf b = IMGP_BUF_INIT;
	FILE *fp = fopen(path, "r");
	size_t n;

	if (fp == NULL) {
		printf("Bail out! %s cannot be read\n", path);
		exit(1);
	}
	while ((n = fread(chunk, 1, sizeof chunk, fp)) > 0)
		imgp_buf_add(&b, chunk, n);
	fclose(fp);
	free(path);
	return imgp_buf_steal(&b);
}

/* Take the request's text apart, in place; its body in ${*body}. */
static void
parse_request(char *text, struct imgp_sigv4 *r, struct imgp_header *h,
    char **body)
{
	char *p = text, *end, *line;

	r->method = p;
	p = strchr(p, ' ');
	*p++ = '\0';
	r->path = p;
	end = strchr(p, '\n');
	if (end == NULL)
		end = p + strlen(p);
	*body = end;
	if (*end != '\0')
		*(*body)++ = '\0';
	*strstr(p, " HTTP/") = '\0';
	if ((p = strchr(p, '?')) != NULL) {
		*p++ = '\0';
		r->query = p;
	}
	while (**body != '\0' && **body != '\n') {
		line = *body;
		/* A value goes on where the next line begins with a blank. */
		for (end = strchr(line, '\n'); end != NULL && end[1] == ' ';
		    end = strchr(end + 1, '\n'))
			;
		*body = end == NULL ? line + strlen(line) : end + 1;
		if (end != NULL)
			*end = '\0';
		p = strchr(line, ':');
		*p++ = '\0';
		h[r->nheaders].name = line;
		h[r->nheaders++].value = p;
	}
	if (**body == '\n')
		(*body)++;
}

static void
run_case(const char *dir)
{
	const char *name = strrchr(dir, '/') + 1, *s;
	struct imgp_header h[MAX_HEADERS];
	struct imgp_sigv4 r = { .nheaders = 0 };
	struct imgp_buf b = IMGP_BUF_INIT, t = IMGP_BUF_INIT;
	struct imgp_err e = { NULL, "" };
	char *text = slurp(dir, "request.txt"), *body, *want;
	char *context = slurp(dir, "context.json"), title[128];
	char sum[IMGP_SHA256_HEX], date[17];
	struct imgp_json *c = imgp_json_parse(context, strlen(context), &e);
	const struct imgp_json *cred = imgp_json_get(c, "credentials");
	struct tm tm = { 0 };
	int64_t seconds = 0;
	size_t plain;

	parse_request(text, &r, h, &body);
	r.access_key = imgp_json_str(imgp_json_get(cred, "access_key_id"));
	r.secret_key = imgp_json_str(imgp_json_get(cred, "secret_access_key"));
	r.token = imgp_json_str(imgp_json_get(cred, "token"));
	r.region = imgp_json_str(imgp_json_get(c, "region"));
	r.service = imgp_json_str(imgp_json_get(c, "service"));
	imgp_json_int(imgp_json_get(c, "expiration_in_seconds"), &seconds);
	s = imgp_json_str(imgp_json_get(c, "timestamp"));
	if (strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL)
		exit(1);
	r.now = timegm(&tm);
	imgp_sigv4_date(r.now, date);
	r.flags = IMGP_SIGV4_ENCODE;
	if (imgp_json_bool(imgp_json_get(c, "normalize")) == 1)
		r.flags |= IMGP_SIGV4_NORMALIZE;
	if (imgp_json_bool(imgp_json_get(c, "omit_session_token")) == 1)
		r.flags |= IMGP_SIGV4_TOKEN_LATE;
	imgp_sha256_hex(body, strlen(body), sum);
	r.payload = sum;
	r.headers = h;
	plain = r.nheaders;	/* a presigned URL carries no more */
	if (imgp_json_bool(imgp_json_get(c, "sign_body")) == 1)
		h[r.nheaders++] = (struct imgp_header){ "x-amz-content-sha256",
		    sum };
	h[r.nheaders++] = (struct imgp_header){ "X-Amz-Date", date };
	if (r.token != NULL && !(r.flags & IMGP_SIGV4_TOKEN_LATE))
		h[r.nheaders++] = (struct imgp_header){ "X-Amz-Security-Token",
		    r.token };

	imgp_sigv4_canonical(&r, &b);
	want = slurp(dir, "header-canonical-request.txt");
	snprintf(title, sizeof title, "%s: canonical request", name);
	is(b.s, want, title);
	free(want);
	imgp_sigv4_to_sign(&r, b.s, &t);
	want = slurp(dir, "header-string-to-sign.txt");
	snprintf(title, sizeof title, "%s: string to sign", name);
	is(t.s, want, title);
	free(want);
	imgp_buf_clear(&b);
	imgp_sigv4_authorize(&r, &b);
	want = slurp(dir, "header-signature.txt");
	snprintf(title, sizeof title, "%s: signature in the header", name);
	is(strstr(b.s, "Signature=") + 10, want, title);
	free(want);

	r.nheaders = plain;
	imgp_buf_clear(&b);
	imgp_sigv4_presign(&r, (unsigned int)seconds, &b);
	want = slurp(dir, "query-signature.txt");
	snprintf(title, sizeof title, "%s: signature in the query", name);
	is(strstr(b.s, "X-Amz-Signature=") + 16, want, title);
	free(want);
	imgp_buf_release(&b);
	imgp_buf_release(&t);
	imgp_json_free(c);
	free(context);
	free(text);
}

/* The worked examples of the Amazon S3 API reference; S3 encodes once. */
static void
test_s3(void)
{
	static const char dollar_sum[] = "44ce7dd67c959e0d3524ffac1771dfbb"
	    "a87d2b6b4b4e99e42034a8b803f8b072";
	static const struct imgp_header range[] = {
		{ "Host", "examplebucket.s3.amazonaws.com" },
		{ "Range", "bytes=0-9" },
		{ "x-amz-content-sha256", IMGP_SHA256_EMPTY },
		{ "x-amz-date", "20130524T000000Z" },
	}, dollar[] = {
		{ "Host", "examplebucket.s3.amazonaws.com" },
		{ "Date", "Fri, 24 May 2013 00:00:00 GMT" },
		{ "x-amz-date", "20130524T000000Z" },
		{ "x-amz-storage-class", "REDUCED_REDUNDANCY" },
		{ "x-amz-content-sha256", dollar_sum },
	};
	struct imgp_sigv4 r = {
		.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		.region = "us-east-1", .service = "s3", .now = 1369353600,
		.method = "GET", .path = "/test.txt", .headers = range,
		.nheaders = 4, .payload = IMGP_SHA256_EMPTY
	};
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_sigv4_authorize(&r, &b);
	is(b.s, "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/"
	    "us-east-1/s3/aws4_request, SignedHeaders=host;range;"
	    "x-amz-content-sha256;x-amz-date, Signature="
	    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
	    "S3: a ranged GET");
	r.method = "PUT";
	r.path = "/test%24file.text";
	r.headers = dollar;
	r.nheaders = 5;
	r.payload = dollar_sum;
	imgp_buf_clear(&b);
	imgp_sigv4_authorize(&r, &b);
	is(strstr(b.s, "Signature=") + 10,
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
	    "S3: a PUT, its path encoded once");
	r.method = "GET";
	r.path = "/test.txt";
	r.headers = range;
	r.nheaders = 1;
	r.payload = "UNSIGNED-PAYLOAD";
	imgp_buf_clear(&b);
	imgp_sigv4_presign(&r, 86400, &b);
	is(strstr(b.s, "X-Amz-Signature=") + 16,
	    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
	    "S3: a presigned GET");
	imgp_buf_clear(&b);
	imgp_sigv4_encode(&b, "/a b+c%/\xc3\xbc~-_.=&?", 1);
	is(b.s, "/a%20b%2Bc%25/%C3%BC~-_.%3D%26%3F", "a key in a path");
	imgp_buf_release(&b);
}

int
main(int argc, char *argv[])
{
	int i;

	test_s3();
	for (i = 1; i < argc; i++)
		run_case(argv[i]);
	return done_testing();
}
