"""The pages of the demo origin: what a page is (page), how it looks (render), what it answers (answers), and the list of all (table)."""
