// What Sijax's own scripts leave to the page: the CSRF token, and who calls what.
"use strict";

const token = jQuery("meta[name=csrf-token]").attr("content");
const message = jQuery("#sijax-status");
let answered = true;

jQuery.ajaxSetup({ headers: { "X-CSRFToken": token } });

// Comet posts a form that it makes itself; this runs between the making and the posting.
jQuery(document).on("submit", "form[id^=form4_]", function () {
  jQuery("<input>", { type: "hidden", name: "csrf_token", value: token }).appendTo(this);
});

jQuery("[data-sijax]").on("click", function () {
  Sijax.request(this.dataset.sijax);
});

jQuery("[data-comet]").on("click", function () {
  sjxComet.request(this.dataset.comet);
});

jQuery("#chat").on("submit", function (event) {
  event.preventDefault();
  Sijax.request("add_message", [jQuery("#message").val()]);
});

// A refused request would else go unnoticed: its answer is for no eye, or in a hidden frame.
jQuery(document).on("ajaxError", function (_event, request) {
  message.text("The server refused the call (" + (request.status || "no answer") + ").");
});

const processCommands = Sijax.processCommands;
Sijax.processCommands = function (commands) {
  answered = true;
  message.text("");
  processCommands(commands);
};

jQuery("#upload").on("submit", function () {
  answered = false;
});

jQuery(function () {
  jQuery("#" + sjxUpload.getFrameId("upload")).on("load", function () {
    if (!answered) {
      message.text("The server refused the file; it may be too large.");
    }
  });
});
