"""What conversion is measured by: each figure is one function that anybody can call again."""
