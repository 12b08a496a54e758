package cn.xunyuan

import org.junit.Test

/** What a call costs from the JVM; printed for `bindings/measure/run`. */
class Figures {
    private fun microseconds(repeats: Int, call: () -> Unit): Long {
        repeat(repeats) { call() }
        return LongArray(repeats) { val began = System.nanoTime(); call(); System.nanoTime() - began }
            .sorted()[repeats / 2] / 1_000
    }

    private fun figure(what: String, value: Long, mark: String = "") = println("figure $what|$value us|$mark")

    @Test
    fun costOfACall() = Branch().use { branch ->
        val replica = branch.enroll("u.pt01")
        val sheet = replica.startPatrol().document
        figure("Kotlin, the smallest call (a flag)", microseconds(2_000) { replica.setLanguage(Language.CHINESE) })
        figure("Kotlin, a small record (standing)", microseconds(500) { replica.standing() })
        figure("Kotlin, a whole sheet as one screen", microseconds(200) { replica.sheet(sheet) }, "43 items")
        figure("Kotlin, an answer with the sheet after it, durable", microseconds(60) { replica.note(sheet, "pp.green.01", "${System.nanoTime()}") })
        replica.shut()
    }
}
