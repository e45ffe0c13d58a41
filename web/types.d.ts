// The embedded libraries as the modules import them.
declare module '*/vendor/htmx.js' {
  const htmx: { registerExtension(name: string, extension: object): void };
  export default htmx;
}
declare module '*/vendor/uplot.js' {
  const uPlot: any;
  export default uPlot;
}
