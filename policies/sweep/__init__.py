"""Train by many recipes, several times each, and see which numbers of a recipe matter."""
