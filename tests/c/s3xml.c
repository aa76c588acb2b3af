/* PKGS: expat */
#include <stdlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/markup.h"
#include "libimgpipe/net/s3xml.h"
#include "tests/c/tap.h"

#define XML	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS	" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct imgp_s3xml x;

/* Taken, with the result in x until the next call. */
static int
takes(const char *s, enum imgp_s3xml_kind kind, const char *title)
{
	struct imgp_err e = { NULL, "" };
	int rc;

	imgp_s3xml_release(&x);
	rc = imgp_s3xml_parse(s, strlen(s), &x, &e);
	return ok(rc == 0 && x.kind == kind, "%s%s%s", title,
	    rc == 0 ? "" : ": ", e.msg);
}

static void
refuses(const char *s, size_t len, const char *title)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_s3xml y;
	int rc = imgp_s3xml_parse(s, len, &y, &e);

	ok(rc == -1 && y.items == NULL && y.code == NULL && e.code != NULL &&
	    strcmp(e.code, IMGP_E_STORE_IO) == 0 &&
	    strstr(e.msg, "secret") == NULL, "%s: %s", title, e.msg);
	if (rc == 0)
		imgp_s3xml_release(&y);
}

static void
no(const char *s, const char *title)
{
	refuses(s, strlen(s), title);
}

static void
errors(void)
{
	takes(XML "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The"
	    " region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>"
	    "<Region>eu-west-1</Region><RequestId>R1</RequestId>"
	    "<HostId>H</HostId></Error>", IMGP_S3XML_ERROR, "an error (R27)");
	is(x.code, "AuthorizationHeaderMalformed", "... its code");
	is(x.region, "eu-west-1", "... the region it wants");
	is(x.request_id, "R1", "... the request's id");
	takes("<Error><Code>RequestTimeTooSkewed</Code><ServerTime>"
	    "2026-01-02T03:04:05Z</ServerTime><MaxAllowedSkewMilliseconds>900000"
	    "</MaxAllowedSkewMilliseconds></Error>", IMGP_S3XML_ERROR,
	    "without a declaration (R25)");
	is(x.server_time, "2026-01-02T03:04:05Z", "... the server's time");
	takes(XML "<Error><Code>PermanentRedirect</Code><Message></Message>"
	    "<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>",
	    IMGP_S3XML_ERROR, "rgw's empty message");
	is(x.message, NULL, "... is none");
	is(x.endpoint, "b.s3.eu-west-1.amazonaws.com", "... the endpoint");
	takes("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/"
	    "\"><Error><Type>Sender</Type><Code>ExpiredTokenException</Code>"
	    "<Message>Token expired</Message></Error><RequestId>r</RequestId>"
	    "</ErrorResponse>", IMGP_S3XML_ERROR, "STS's spelling (R26)");
	is(x.code, "ExpiredTokenException", "... its code");
	is(x.message, "Token expired", "... its message");
	takes("  \r\n\n " XML "<Error><Code>InternalError</Code></Error>",
	    IMGP_S3XML_ERROR, "white space that kept the line open (R24)");
	takes(XML "<s3:Error xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/"
	    "\"><s3:Code>SlowDown</s3:Code></s3:Error>", IMGP_S3XML_ERROR,
	    "a prefix before every name");
	is(x.code, "SlowDown", "... its code");
	takes(XML "<Error><Code><![CDATA[Slow]]>D&#111;wn</Code></Error>",
	    IMGP_S3XML_ERROR, "CDATA and references");
	is(x.code, "SlowDown", "... are one text");
	takes("<html><body>502<Error><Code>No</Code></Error></body></html>",
	    IMGP_S3XML_OTHER, "XML of another kind");
	is(x.code, NULL, "... has no code");
}

static void
results(void)
{
	takes(XML "<CopyObjectResult" NS "><LastModified>2026-01-02T03:04:05Z"
	    "</LastModified><ETag>&quot;0f&quot;</ETag></CopyObjectResult>",
	    IMGP_S3XML_COPY, "CopyObjectResult");
	is(x.etag, "0f", "... escaped quotation marks (R28)");
	takes("<CopyObjectResult><ETag>\"0f\"</ETag></CopyObjectResult>",
	    IMGP_S3XML_COPY, "... as Swift writes it");
	is(x.etag, "0f", "... bare ones");
	takes("<CopyObjectResult><ETag>0f-3</ETag></CopyObjectResult>",
	    IMGP_S3XML_COPY, "... as rgw writes it");
	is(x.etag, "0f-3", "... none");
	takes("<CopyPartResult><ETag>&amp;quot;0f&amp;quot;</ETag>"
	    "</CopyPartResult>", IMGP_S3XML_COPY, "CopyPartResult");
	is(x.etag, "0f", "... escaped twice");
	takes("<CompleteMultipartUploadResult><Bucket>b</Bucket><ETag></ETag>"
	    "</CompleteMultipartUploadResult>", IMGP_S3XML_COMPLETE,
	    "rgw's Complete");
	is(x.etag, NULL, "... has no ETag");
	takes(XML "<Error><Code>InternalError</Code></Error>",
	    IMGP_S3XML_ERROR, "an error where Complete's answer should be (R24)");
	takes("<InitiateMultipartUploadResult" NS "><Bucket>b</Bucket>"
	    "<Key>k</Key><UploadId>2~x/+</UploadId>"
	    "</InitiateMultipartUploadResult>", IMGP_S3XML_INITIATE,
	    "InitiateMultipartUploadResult");
	is(x.upload_id, "2~x/+", "... its id as it is");
}

static void
listings(void)
{
	takes(XML "<ListBucketResult" NS "><Name>b</Name><Prefix>p</Prefix>"
	    "<Contents><Key>p/a b+&amp;&lt;\xc3\xbc</Key><LastModified>"
	    "2026-01-02T03:04:05.000Z</LastModified><ETag>&#34;e1&#34;</ETag>"
	    "<Size>9223372036854775807</Size><Owner><ID>i</ID></Owner>"
	    "</Contents><Contents><Size>0</Size><Key> p/%41 </Key>"
	    "</Contents><CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>"
	    "<CommonPrefixes><Prefix>p/r/</Prefix></CommonPrefixes>"
	    "<IsTruncated>true</IsTruncated><NextContinuationToken>a+%41=="
	    "</NextContinuationToken></ListBucketResult>", IMGP_S3XML_LIST,
	    "a page of ListObjectsV2");
	if (ok(x.nitems == 2 && x.nprefixes == 2, "... all its entries")) {
		is(x.items[0].key, "p/a b+&<\xc3\xbc", "... key");
		ok(x.items[0].size == INT64_MAX, "... the greatest size");
		is(x.items[0].etag, "e1", "... ETag");
		is(x.items[0].time, "2026-01-02T03:04:05.000Z", "... time");
		is(x.items[1].key, " p/%41 ", "... a key is never trimmed");
		is(x.items[1].etag, NULL, "... no ETag (R28)");
		is(x.prefixes[1], "p/r/", "... prefix");
	}
	ok(x.truncated, "... more follows");
	is(x.next, "a+%41==", "... from this token");
	takes("<ListBucketResult><Contents><Key>a%20b+c%2B%25%0a</Key><Size>1"
	    "</Size></Contents><CommonPrefixes><Prefix>%C3%bc/</Prefix>"
	    "</CommonPrefixes><EncodingType>url</EncodingType><IsTruncated>"
	    "false</IsTruncated></ListBucketResult>", IMGP_S3XML_LIST,
	    "URL-encoded keys");
	if (ok(x.nitems == 1 && x.nprefixes == 1, "... all its entries")) {
		is(x.items[0].key, "a b c+%\n", "... key");
		is(x.prefixes[0], "\xc3\xbc/", "... prefix");
	}
	ok(!x.truncated, "... is the last page");
	takes("<ListBucketResult/>", IMGP_S3XML_LIST, "an empty listing");
	takes("<ListPartsResult><UploadId>u</UploadId><Part><PartNumber>1"
	    "</PartNumber><ETag>\"e\"</ETag><Size>5242880</Size></Part><Part>"
	    "<PartNumber>10000</PartNumber><Size>1</Size></Part><IsTruncated>"
	    "true</IsTruncated><NextPartNumberMarker>10000"
	    "</NextPartNumberMarker></ListPartsResult>", IMGP_S3XML_PARTS,
	    "ListPartsResult (R29)");
	ok(x.nitems == 2 && x.items[1].part == 10000 &&
	    x.items[0].size == 5242880, "... all its parts");
	is(x.next, "10000", "... and where to go on");
	takes("<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
	    "<NextKeyMarker>k%2F</NextKeyMarker><NextUploadIdMarker>u%2F"
	    "</NextUploadIdMarker><IsTruncated>true</IsTruncated><Upload>"
	    "<Key>k%2F1</Key><UploadId>u</UploadId><Initiated>"
	    "2026-01-02T03:04:05Z</Initiated></Upload>"
	    "</ListMultipartUploadsResult>", IMGP_S3XML_UPLOADS,
	    "ListMultipartUploadsResult (R29)");
	ok(x.nitems == 1 && x.items[0].size == -1, "... one upload");
	is(x.nitems == 1 ? x.items[0].key : NULL, "k/1", "... key");
	is(x.nitems == 1 ? x.items[0].upload_id : NULL, "u", "... id");
	is(x.next, "k/", "... next key, decoded");
	is(x.next_upload_id, "u%2F", "... next id, as it is");
}

static void
tags(void)
{
	takes("<Tagging" NS "><TagSet><Tag><Key>a b</Key><Value>1&amp;</Value>"
	    "</Tag><Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>",
	    IMGP_S3XML_TAGS, "Tagging (R33)");
	ok(x.nitems == 2, "... two tags");
	is(x.nitems == 2 ? x.items[0].key : NULL, "a b", "... key");
	is(x.nitems == 2 ? x.items[0].value : NULL, "1&", "... value");
	is(x.nitems == 2 ? x.items[1].value : NULL, "", "... none");
	takes("<Tagging><TagSet/></Tagging>", IMGP_S3XML_TAGS, "no tags");
	ok(x.nitems == 0, "... none");
	takes("<Tagging><Tag><Key>a</Key></Tag></Tagging>", IMGP_S3XML_TAGS,
	    "a tag in no set");
	ok(x.nitems == 0, "... is none");
	no("<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>",
	    "a tag without a key");
}

static void
sts(void)
{
	takes("<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/"
	    "2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><Arn>a</Arn>"
	    "</AssumedRoleUser><Credentials><AccessKeyId>ASIA</AccessKeyId>"
	    "<SecretAccessKey>secret</SecretAccessKey><SessionToken>t"
	    "</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration>"
	    "</Credentials></AssumeRoleResult></AssumeRoleResponse>",
	    IMGP_S3XML_STS, "AssumeRoleResponse (R26)");
	is(x.access_key, "ASIA", "... access key");
	is(x.secret_key, "secret", "... secret");
	is(x.session_token, "t", "... token");
	is(x.expiration, "2026-01-02T03:04:05Z", "... end");
	takes("<AssumeRoleWithWebIdentityResponse>"
	    "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A"
	    "</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>t"
	    "</SessionToken></Credentials></AssumeRoleWithWebIdentityResult>"
	    "</AssumeRoleWithWebIdentityResponse>", IMGP_S3XML_STS,
	    "AssumeRoleWithWebIdentityResponse");
	no("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A"
	    "</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
	    "</Credentials></AssumeRoleResult></AssumeRoleResponse>",
	    "credentials without token");
}

/* R36: nothing of this may be taken, nor cost more than a moment. */
static void
hostile(void)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t i;

	no("<!DOCTYPE Error><Error><Code>A</Code></Error>", "a DOCTYPE (R36)");
	no("<!DOCTYPE Error SYSTEM \"file:///etc/passwd\"><Error/>",
	    "an external one (R36)");
	no("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Error>"
	    "<Code>&x;</Code></Error>", "an external entity (R36)");
	no("<!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;\">"
	    "<!ENTITY c \"&b;&b;&b;&b;\">]><Error><Code>&c;</Code></Error>",
	    "entities within entities (R36)");
	no("<Error><Code>&x;</Code></Error>", "an unknown entity (R36)");
	for (i = 0; i < 32; i++)
		imgp_buf_puts(&b, "<a>");
	for (i = 0; i < 32; i++)
		imgp_buf_puts(&b, "</a>");
	takes(b.s, IMGP_S3XML_OTHER, "32 deep (R36)");
	imgp_buf_clear(&b);
	for (i = 0; i < 33; i++)
		imgp_buf_puts(&b, "<a>");
	for (i = 0; i < 33; i++)
		imgp_buf_puts(&b, "</a>");
	no(b.s, "33 deep (R36)");
	imgp_buf_clear(&b);
	for (i = 0; i < 33; i++)
		imgp_buf_puts(&b, "<a>");
	no(b.s, "33 deep and never closed (R36)");
	imgp_buf_clear(&b);
	imgp_buf_puts(&b, "<Error><Code>A</Code></Error>");
	while (b.len <= IMGP_S3XML_MAX)
		imgp_buf_puts(&b, " ");
	no(b.s, "a byte above 1 MiB (R36)");
	takes((b.s[IMGP_S3XML_MAX] = '\0', b.s), IMGP_S3XML_ERROR,
	    "1 MiB (R36)");
	imgp_buf_clear(&b);
	imgp_buf_puts(&b, "<Error><");
	for (i = 0; i < 100000; i++)
		imgp_buf_puts(&b, "Code");
	imgp_buf_puts(&b, ">x</");
	for (i = 0; i < 100000; i++)
		imgp_buf_puts(&b, "Code");
	imgp_buf_puts(&b, "><Code>A</Code></Error>");
	takes(b.s, IMGP_S3XML_ERROR, "a name of 400,000 bytes (R36)");
	is(x.code, "A", "... is passed over");
	imgp_buf_release(&b);
	refuses("<Error><Code>A\0secret</Code></Error>", 35, "a NUL (R36)");
	no("<Error><Code>\xff\xfesecret</Code></Error>", "bytes not UTF-8");
	no("<?xml version=\"1.0\" encoding=\"UTF-7\"?><Error><Code>"
	    "+ADw-</Code>", "cut short, in UTF-7");
	no("", "nothing");
	no("Service Unavailable", "no XML");
	no("<Error><Code>A</Code>", "cut short");
	no("<Error><Code>A</Code></Error><Error/>", "two roots");
	no("<Error><Code>A</Code></Error>secret", "text behind the root");
	no("<Error><Code>A</Code><Code>B</Code></Error>", "two codes");
	no("<Error><Message>secret</Message></Error>", "no code");
	no("<CopyObjectResult><ETag>1</ETag><ETag>2</ETag></CopyObjectResult>",
	    "two ETags");
	no("<ListBucketResult><Contents><Size>1</Size></Contents>"
	    "</ListBucketResult>", "an entry without key");
	no("<ListBucketResult><Contents><Key>k</Key></Contents>"
	    "</ListBucketResult>", "an entry without size");
	no("<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents>"
	    "</ListBucketResult>", "a negative size");
	no("<ListBucketResult><Contents><Key>k</Key><Size>9223372036854775808"
	    "</Size></Contents></ListBucketResult>", "a size above 2^63 - 1");
	no("<ListBucketResult><Contents><Key>k</Key><Size>1e3</Size></Contents>"
	    "</ListBucketResult>", "a size that is no number");
	no("<ListBucketResult><IsTruncated>true</IsTruncated>"
	    "</ListBucketResult>", "truncated without token");
	no("<ListBucketResult><IsTruncated>1</IsTruncated></ListBucketResult>",
	    "neither true nor false");
	no("<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>"
	    "a%0</Key><Size>1</Size></Contents></ListBucketResult>",
	    "half an escape");
	no("<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>"
	    "a%00</Key><Size>1</Size></Contents></ListBucketResult>",
	    "a NUL in a key");
	no("<ListPartsResult><Part><PartNumber>0</PartNumber><Size>1</Size>"
	    "</Part></ListPartsResult>", "part 0");
	no("<ListPartsResult><Part><PartNumber>10001</PartNumber><Size>1"
	    "</Size></Part></ListPartsResult>", "part 10001");
	no("<ListMultipartUploadsResult><Upload><Key>k</Key></Upload>"
	    "</ListMultipartUploadsResult>", "an upload without id");
	no("<InitiateMultipartUploadResult/>", "Initiate without id");
}

static void
etag(const char *s, const char *want)
{
	char *got = imgp_s3xml_etag(s);

	is(got, want, s == NULL ? "NULL" : s);
	free(got);
}

static void
etags(void)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	etag("\"0f\"", "0f");
	etag(" 0f\r\n", "0f");
	etag("&quot;0f&quot;", "0f");
	etag("\"\"", NULL);
	etag("", NULL);
	etag(NULL, NULL);
	etag("a\"b", "a\"b");
	ok(imgp_s3xml_etag_same("\"0f-2\"", "0f-2"), "one ETag, two spellings");
	ok(!imgp_s3xml_etag_same("\"0f-2\"", "0f"), "two ETags");
	ok(!imgp_s3xml_etag_same("\"\"", ""), "no ETag equals none");
	ok(!imgp_s3xml_etag_same(NULL, NULL), "nor one that is not there");
	ok(!imgp_s3xml_etag_same("0F", "0f"), "an ETag is opaque (R28)");
	imgp_markup_text(&b, "\"a<&>b\"");
	is(b.s, "&quot;a&lt;&amp;&gt;b&quot;", "... and may hold anything");
	imgp_buf_release(&b);
}

int
main(void)
{
	memset(&x, 0, sizeof x);
	errors();
	results();
	listings();
	tags();
	sts();
	hostile();
	etags();
	imgp_s3xml_release(&x);
	return done_testing();
}
