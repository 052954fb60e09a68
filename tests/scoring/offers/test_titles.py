from __future__ import annotations

from scoring.offers.titles import scope_titles, titles_of, type_titles


def test_a_title_is_what_a_customer_would_read():
    words = {"sft": "soft", "drnk": "drinks", "btl": "bottles", "carb": "", "incl": ""}
    sizes = {
        "BACON / PREMIUM": 4, "ICE CREAM/MILK/SHERBTS / PREMIUM": 5, "SOFT DRINKS / SFT DRNK 2 LITER BTL CARB INCL": 9,
        "REFRGRATD JUICES / DAIRY CASE 100% PURE JUICE - O": 3, "ORAL HYGIENE / TOOTHPASTE": 8, "BATH / TOOTHPASTE": 1,
        "BEEF / LEAN BEEF": 2, "TOYS": 1,
    }  # fmt: skip
    assert titles_of(sizes, words) == {
        "BACON / PREMIUM": "Premium bacon",
        "ICE CREAM/MILK/SHERBTS / PREMIUM": "Premium ice cream, milk, sherbts",
        "SOFT DRINKS / SFT DRNK 2 LITER BTL CARB INCL": "Soft drinks 2 liter bottles",
        "REFRGRATD JUICES / DAIRY CASE 100% PURE JUICE - O": "Dairy case 100% pure juice",
        "ORAL HYGIENE / TOOTHPASTE": "Toothpaste",
        "BATH / TOOTHPASTE": "Toothpaste (bath)",
        "BEEF / LEAN BEEF": "Lean beef",
        "TOYS": "Toys",
    }


def test_titles_of_the_catalogue(frame):
    products = frame(
        "products", {"product_id": "1", "product_type": "BACON / LEAN"}, {"product_id": "2", "product_type": None}
    )
    assert [tuple(row) for row in type_titles(products, {}).collect()] == [("BACON / LEAN", "Lean bacon")]


def test_a_coupon_is_called_by_the_largest_categories_of_its_scope(frame):
    categories = ["SOUP", "SOUP", "SOUP", "PASTA SAUCE", "PASTA SAUCE", "BEEF", "BEEF", "TEA"]
    products = frame(
        "products",
        *({"product_id": str(n), "category": name, "product_type": "X"} for n, name in enumerate(categories)),
        {"product_id": "t", "product_type": "TOYS"},
    )
    scopes = {"wide": "01234567", "two": "03", "one": "5", "bare": "t"}
    scope = frame("offer_products", *({"offer_id": k, "product_id": p} for k, ids in scopes.items() for p in ids))
    titles = {row["offer_id"]: row["scope_title"] for row in scope_titles(scope, products, {}).collect()}
    assert titles == {
        "wide": "Soup, beef, pasta sauce and more", "two": "Pasta sauce and soup", "one": "Beef", "bare": "Toys",
    }  # fmt: skip
