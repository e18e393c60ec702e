"""The style and the few lines of script of the report: no external resources, no inline handlers."""

STYLE = """
:root{--ink:#1b1b1b;--soft:#5c5c5c;--line:#d5d8dc;--paper:#fff;--wash:#f4f5f7;--bad:#c3180f;--good:#136c2e;--accent:#0b4f8a}
*{box-sizing:border-box}
body{margin:0;background:var(--wash);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:20px 20px 60px}
h1{font-size:26px;margin:8px 0 4px}h2{font-size:20px;margin:34px 0 10px}h3{font-size:18px;margin:0 0 2px;overflow-wrap:anywhere}
h4{font-size:14px;margin:16px 0 6px}
section,article{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:16px 18px;margin:0 0 18px}
article{break-inside:auto}
p{margin:6px 0}small{display:block;font-weight:400;color:var(--soft)}
.facts,.note,figcaption{color:var(--soft);font-size:13px}
.counts{display:flex;flex-wrap:wrap;gap:10px;margin:12px 0}
.counts div{border:1px solid var(--line);border-radius:8px;padding:6px 14px;background:var(--wash)}
.counts b{font-size:22px;display:block;line-height:1.2}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:13px;min-width:min(100%,320px)}
th,td{padding:4px 9px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{background:var(--wash);white-space:nowrap}
tbody th{font-weight:600;overflow-wrap:anywhere}
.numbers td,.numbers thead th{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.numbers tbody th{overflow-wrap:normal}.numbers thead th:first-child{text-align:left}.numbers td:last-child{white-space:normal}
.numbers colgroup+colgroup{border-left:2px solid var(--line)}
#summary{width:100%}#summary td.n,#summary th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
#summary tbody th{max-width:290px;min-width:120px;font-weight:400}#summary a{color:var(--accent)}
#summary th button{all:unset;cursor:pointer;font-weight:600}#summary th button:focus-visible{outline:2px solid var(--accent)}
#summary th[aria-sort=ascending] button::after{content:" \\25B2"}#summary th[aria-sort=descending] button::after{content:" \\25BC"}
.filters{display:flex;flex-wrap:wrap;gap:10px;align-items:center;margin:0 0 10px;font-size:14px}
.filters input,.filters select{font:inherit;padding:4px 8px;border:1px solid #aab;border-radius:6px;background:var(--paper);color:var(--ink)}
.gallery{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:14px;margin:12px 0}
figure{margin:0}.gallery figure{background:var(--paper);border:1px solid var(--line);border-radius:6px;padding:6px;text-align:center}
.gallery img{max-width:100%;height:auto;display:block;margin:0 auto}
.picture{position:relative;display:inline-block;max-width:100%}.picture .marks{position:absolute;left:0;top:0}.picture:hover .marks{opacity:0}figcaption{padding:4px 2px 0}
.profile svg{width:100%;height:auto}.chain{font-weight:600}
ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;padding:0;margin:8px 0;font-size:13px}
.swatch{vertical-align:-1px;margin-right:6px}
ul.warnings{margin:8px 0;padding:8px 12px 8px 30px;background:#fdecea;border:1px solid #eaa59f;border-radius:6px;color:#8e130c;font-weight:600}
section>.wide>table{width:100%}
.columns{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:8px 28px}
.good{color:var(--good)}.bad,td.bad,.failed{color:var(--bad);font-weight:600}
.warn{color:#8e130c}
details{margin-top:12px}summary{cursor:pointer;font-weight:600}code{font-size:12px}
.history td{font-size:12.5px;overflow-wrap:anywhere}
footer{color:var(--soft);font-size:13px;margin-top:24px}
@media(max-width:1000px){.columns{grid-template-columns:1fr}}
@media(max-width:860px){.gallery{grid-template-columns:repeat(2,minmax(0,1fr))}main{padding:12px}section,article{padding:12px}
#summary{font-size:12px}#summary th,#summary td{padding:3px 4px}#summary thead th,#summary td.n,#summary th.n{white-space:normal}#summary tbody th{min-width:80px}}
@media print{body{background:#fff;font-size:12px}main{max-width:none;padding:0}section,article{border:0;padding:0}
.filters{display:none}figure,tr{break-inside:avoid}article{break-before:page}thead{display:table-header-group}}
"""

SCRIPT = """
"use strict";
(function(){
var table=document.getElementById("summary");
window.addEventListener("beforeprint",function(){document.querySelectorAll("details").forEach(function(d){d.open=true;});});
if(!table){return;}
var body=table.tBodies[0],rows=Array.prototype.slice.call(body.rows),heads=Array.prototype.slice.call(table.tHead.rows[0].cells);
function key(row,i){var c=row.cells[i],s=c.getAttribute("data-sort");return s===null?c.textContent.trim().toLowerCase():(s===""?NaN:parseFloat(s));}
heads.forEach(function(head,i){head.querySelector("button").addEventListener("click",function(){
var up=head.getAttribute("aria-sort")!=="ascending";
heads.forEach(function(h){h.removeAttribute("aria-sort");});head.setAttribute("aria-sort",up?"ascending":"descending");
rows.sort(function(a,b){var x=key(a,i),y=key(b,i);
if(typeof x==="number"||typeof y==="number"){if(isNaN(x)){return isNaN(y)?0:1;}if(isNaN(y)){return -1;}return up?x-y:y-x;}
return (up?1:-1)*x.localeCompare(y,undefined,{numeric:true});});
rows.forEach(function(r){body.appendChild(r);});});});
var words=document.getElementById("words"),status=document.getElementById("status"),warned=document.getElementById("warned"),shown=document.getElementById("shown");
function filter(){var n=0,w=words.value.trim().toLowerCase();rows.forEach(function(r){
var ok=(!w||r.textContent.toLowerCase().indexOf(w)>=0)&&(!status.value||r.getAttribute("data-status")===status.value)&&(!warned.checked||r.getAttribute("data-warned")==="1");
r.hidden=!ok;n+=ok?1:0;});shown.textContent=n+" of "+rows.length;}
words.addEventListener("input",filter);status.addEventListener("change",filter);warned.addEventListener("change",filter);filter();
})();
"""
