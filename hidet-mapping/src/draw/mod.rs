//! Drawing: text and SVG.
