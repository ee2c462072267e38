/** A static site, since Lethe needs no server. @type {import('next').NextConfig} */
export default { output: 'export' };
