/** webpack finds Lethe's worker by itself. */
import HtmlWebpackPlugin from 'html-webpack-plugin';

export default {
  entry: './main.js',
  output: { filename: 'main.js' },
  plugins: [new HtmlWebpackPlugin({ template: 'index.html' })],
  performance: { hints: false },
};
