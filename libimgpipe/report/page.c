/*
 * A page for browsers, phones and mail readers, light or dark.
 *
 * Colours are literal and repeated for the dark scheme, because mail readers do not
 * support CSS variables.  Without the style it is still headings, tables and lists.
 */
#include "libimgpipe/base/markup.h"
#include "libimgpipe/report/page.h"

static const char style[] =
"body{margin:0;background:#fff;color:#1a1d21;font:16px/1.5 system-ui,"
"-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",Arial,sans-serif}\n"
"main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem}\n"
"h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}\n"
"h2{font-size:1.15rem;margin:2rem 0 .5rem}\n"
"h3{font-size:1rem;margin:1.5rem 0 .25rem}\n"
"p{margin:.25rem 0}\n"
"a{color:#0a57a0}\n"
":target{background:#fff3c4}\n"
"nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:.5rem 0;padding:0;"
"list-style:none}\n"
"nav a{display:inline-block;min-height:1.5rem}\n"
".dim{color:#555d66}\n"
".tiles{display:flex;flex-wrap:wrap;gap:.5rem;margin:1.25rem 0;padding:0;"
"list-style:none}\n"
".tiles li{flex:1 1 5rem;padding:.6rem .75rem;border-radius:.5rem;"
"background:#f2f4f7;border-left:.35rem solid #0a66b0}\n"
".tiles .warn{border-color:#b35900}\n"
".tiles .fail{border-color:#c0302b}\n"
".tiles b{display:block;font-size:1.75rem;line-height:1.2;"
"font-variant-numeric:tabular-nums}\n"
"figure{margin:0;max-width:32rem}\n"
"svg{width:100%;height:auto;font:12px system-ui,\"Liberation Sans\",Arial,"
"sans-serif}\n"
"svg text{fill:#1a1d21}svg .dim{fill:#555d66}\n"
"svg .good{fill:#0a66b0}svg .warn{fill:#b35900}svg .fail{fill:#c0302b}\n"
"svg .in{fill:#fff;text-anchor:middle}\n"
"table{border-collapse:collapse;width:100%}\n"
"th,td{text-align:left;vertical-align:top;padding:.55rem .75rem .55rem 0;"
"border-bottom:1px solid #d5dae0}\n"
"thead th{font-size:.85rem;color:#555d66}\n"
"tbody th{font-weight:600}\n"
".name{overflow-wrap:anywhere}\n"
".num{white-space:nowrap;font-variant-numeric:tabular-nums}\n"
".small{font-size:.8rem;font-weight:400;overflow-wrap:anywhere;"
"color:#555d66}\n"
".mono{font-family:ui-monospace,\"Liberation Mono\",Menlo,monospace}\n"
".flag{display:inline-block;margin-top:.25rem;padding:0 .45rem;"
"border-radius:.25rem;font-size:.85rem;font-weight:400;"
"border:1px solid #b35900;color:#8a4500}\n"
".flag.fail{border-color:#c0302b;color:#a32620}\n"
".flag.good{border-color:#0a66b0;color:#0a57a0}\n"
".flag.dim{border-color:#555d66;color:#555d66}\n"
"footer{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid #d5dae0;"
"font-size:.85rem}\n"
"@media (max-width:40rem){\n"
".tiles li{font-size:.85rem;padding:.5rem}\n"
"thead{position:absolute;width:1px;height:1px;overflow:hidden;"
"clip-path:inset(50%)}\n"
"table,tbody,tr,th,td{display:block}\n"
"tr{padding:.75rem 0;border-bottom:1px solid #d5dae0}\n"
"th,td{padding:.15rem 0;border:0}\n"
"td.num{display:inline-block;margin-right:.75rem}\n"
"td[data-of]::before{content:attr(data-of) \" \";color:#555d66}\n"
"}\n"
"@media (prefers-color-scheme:dark){\n"
"body{background:#14171a;color:#e8eaed}\n"
".dim,thead th,.small,td[data-of]::before{color:#a9b1ba}\n"
".tiles li{background:#1f2428;border-color:#5aa9e6}\n"
".tiles .warn{border-color:#f0a840}.tiles .fail{border-color:#ff8078}\n"
"th,td,tr,footer{border-color:#3a4149}\n"
"svg text{fill:#e8eaed}svg .dim{fill:#a9b1ba}\n"
"svg .good{fill:#5aa9e6}svg .warn{fill:#f0a840}svg .fail{fill:#ff8078}\n"
"svg .in{fill:#101214}\n"
".flag{border-color:#f0a840;color:#f0b860}\n"
".flag.fail{border-color:#ff8078;color:#ff9b94}\n"
".flag.good{border-color:#5aa9e6;color:#8cc4f0}\n"
".flag.dim{border-color:#a9b1ba;color:#a9b1ba}\n"
"a{color:#8cc4f0}:target{background:#3d3516}\n"
"}\n"
"@media print{body{background:#fff;color:#000}tr{break-inside:avoid}}\n";

void
imgp_page_element(struct imgp_buf *out, const char *open, const char *text,
    const char *close)
{
	imgp_buf_puts(out, open);
	imgp_markup_text(out, text);
	imgp_buf_puts(out, close);
}

void
imgp_page_open(struct imgp_buf *out, const char *title, const char *below)
{
	imgp_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light dark\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\""
	    "default-src 'none'; style-src 'unsafe-inline'\">\n"
	    "<meta name=\"robots\" content=\"noindex\">\n");
	imgp_page_element(out, "<title>", title, "</title>\n");
	imgp_buf_printf(out, "<style>\n%s</style>\n</head>\n<body>\n<main>\n",
	    style);
	imgp_page_element(out, "<h1>", title, "</h1>\n");
	imgp_page_element(out, "<p class=\"dim\">", below, "</p>\n");
}

void
imgp_page_close(struct imgp_buf *out, const char *foot)
{
	imgp_page_element(out, "<footer class=\"dim\"><p>", foot,
	    "</p></footer>\n</main>\n</body>\n</html>\n");
}

void
imgp_page_tile(struct imgp_buf *out, const char *class, int64_t n,
    const char *what)
{
	imgp_buf_printf(out, "<li%s%s%s><b>%lld</b> ", class == NULL ? "" :
	    " class=\"", class == NULL ? "" : class, class == NULL ? "" :
	    "\"", (long long)n);
	imgp_page_element(out, "", what, "</li>\n");
}

/* The roles are explicit because on a phone rows and cells are laid out as blocks,
 * which takes their implied roles away. */
void
imgp_page_rows(struct imgp_buf *out, const char *label,
    const char *const *column)
{
	imgp_page_element(out, "<table role=\"table\" aria-label=\"", label,
	    "\">\n<thead role=\"rowgroup\"><tr role=\"row\">");
	for (; *column != NULL; column++)
		imgp_buf_printf(out, "<th role=\"columnheader\" "
		    "scope=\"col\">%s</th>", *column);
	imgp_buf_puts(out, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

void
imgp_page_table(struct imgp_buf *out, const char *title,
    const char *const *column)
{
	imgp_buf_printf(out, "<h2>%s</h2>\n", title);
	imgp_page_rows(out, title, column);
}

void
imgp_page_row(struct imgp_buf *out, const char *id, const char *text,
    const char *close)
{
	imgp_buf_puts(out, "<tr role=\"row\"");
	if (id != NULL)
		imgp_buf_printf(out, " id=\"%s\"", id);
	imgp_page_element(out, "><th role=\"rowheader\" scope=\"row\" "
	    "class=\"name\">", text, close);
}

void
imgp_page_cell(struct imgp_buf *out, const char *of, const char *text)
{
	imgp_buf_printf(out, "<td role=\"cell\" class=\"num\" data-of=\"%s\">",
	    of);
	imgp_page_element(out, "", text[0] == '\0' ? "-" : text, "</td>");
}
